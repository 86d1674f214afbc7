//! Who we are to servers that ask: the certificate and the key of the `SSL` block.

use crate::outcome::Trouble;
use check::config::ClientTls;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::Path;

/// The first line of a key that needs a password.
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
/// The largest file that is read, in bytes. A larger one is no key and no chain of certificates.
const FILE: u64 = 1 << 20;

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads the files. What is wrong with them is told; it never contains what is in them.
pub(crate) fn read(tls: &ClientTls, troubles: &mut Vec<Trouble>) -> Option<Identity> {
    if let Some(file) = &tls.ca
        && let Err(why) = certificates(file)
    {
        // Nobody is verified, so nothing else follows from it.
        troubles.push(Trouble(format!("SSL error : Cant load CA file... ({file}: {why})")));
    }
    // Upstream looks for the key in the file of the certificate if none is named, and the other way round.
    let (certificate, key_file) = match (&tls.certificate, &tls.key) {
        (None, None) => return None,
        (Some(one), None) | (None, Some(one)) => (one, one),
        (Some(certificate), Some(key)) => (certificate, key),
    };
    let chain = certificates(certificate).map_err(|why| {
        troubles.push(Trouble(format!(
            "SSL error : Cant load certificate file... ({certificate}: {why})"
        )))
    });
    let password = tls.password.as_ref().map(|secret| secret.0.as_str());
    let key = key(key_file, password).map_err(|why| {
        troubles.push(Trouble(format!(
            "SSL error : Cant load key file... ({key_file}: {why})"
        )))
    });
    Some((chain.ok()?, key.ok()?))
}

fn contents(file: &str) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(Path::new(file)).map_err(|error| error.to_string())?;
    if !metadata.is_file() || metadata.len() > FILE {
        return Err("not a file of this kind".to_owned());
    }
    std::fs::read(file).map_err(|error| error.to_string())
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents(file)?).collect();
    let chain = chain.map_err(|error| error.to_string())?;
    if chain.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    Ok(chain)
}

fn key(file: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = contents(file)?;
    let text = String::from_utf8_lossy(&bytes);
    if let Some(begin) = text.find(ENCRYPTED) {
        return decrypt(text.get(begin..).unwrap_or_default(), password);
    }
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("encrypted in the old format: convert it with openssl pkcs8 -topk8".to_owned());
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| error.to_string())
}

fn decrypt(pem: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let password = password.ok_or("it is encrypted and there is no password")?;
    let end = "-----END ENCRYPTED PRIVATE KEY-----";
    let length = pem.find(end).ok_or("it has no end")? + end.len();
    let pem = pem.get(..length).unwrap_or_default();
    let (_, document) = pkcs8::SecretDocument::from_pem(pem).map_err(|error| error.to_string())?;
    let encrypted =
        pkcs8::EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|error| error.to_string())?;
    let plain = encrypted
        .decrypt(password)
        .map_err(|_| "the password does not open it")?;
    Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into())
}
