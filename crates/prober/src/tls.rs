//! TLS as a client that trusts everybody: a check asks whether a server answers, not who it is, as in upstream.

use crate::outcome::Trouble;
use check::config::{ClientTls, Sni};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::net::IpAddr;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The client of all `SSL_GET`, and what is wrong with its certificate. It then has none.
pub(crate) fn client(tls: &ClientTls, troubles: &mut Vec<Trouble>) -> Option<TlsConnector> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = match builder {
        Ok(builder) => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)),
        Err(error) => {
            troubles.push(Trouble(format!("SSL error: cannot create new SSL context: {error}")));
            return None;
        }
    };
    let identity = crate::identity::read(tls, troubles);
    let mut config = match identity {
        Some((chain, key)) => match builder.clone().with_client_auth_cert(chain, key) {
            Ok(config) => config,
            Err(error) => {
                troubles.push(Trouble(format!("SSL error : Cant load key file...: {error}")));
                builder.with_no_client_auth()
            }
        },
        None => builder.with_no_client_auth(),
    };
    // Each check is a server seen for the first time.
    config.resumption = Resumption::disabled();
    Some(TlsConnector::from(Arc::new(config)))
}

/// The name that is sent when TLS begins; an address is never sent.
pub(crate) fn server_name(sni: &Sni, address: IpAddr) -> ServerName<'static> {
    let none = ServerName::IpAddress(address.into());
    match sni {
        Sni::Off => none,
        Sni::Name(name) => ServerName::try_from(name.to_string()).unwrap_or(none),
    }
}

/// Takes every certificate and every signature: nothing is concluded from who the server says it is.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ECDSA_SHA1_Legacy,
            SignatureScheme::RSA_PKCS1_SHA1,
        ]
    }
}
