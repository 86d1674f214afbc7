//! Against a kernel with ip_vs. Where there is none the tests say so and pass: `scripts/guest` has one.

use super::*;
use crate::testing::Netns;

/// The table of a namespace of its own; nothing is tested without ip_vs.
fn with_table(test: impl FnOnce(&mut IpvsSocket)) {
    let Some(net) = Netns::new() else { return };
    match net.run(IpvsSocket::open) {
        Ok(mut socket) => test(&mut socket),
        Err(error) if error.errno() == Some(libc::ENOENT) => println!("no ip_vs here: nothing tested"),
        Err(error) => panic!("{error}"),
    }
}

fn wlc() -> Service {
    Service {
        scheduler: "wlc".to_owned(),
        scheduler_flags: 0,
        one_packet: false,
        persistence: None,
        netmask: u32::MAX,
        engine: None,
    }
}

fn six() -> Service {
    Service { netmask: 128, ..wlc() }
}

fn to(method: Method, weight: u32) -> Destination {
    Destination {
        method,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn tcp(address: &str) -> ServiceId {
    ServiceId::Address {
        protocol: 6,
        address: address.parse().unwrap(),
        port: 80,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[track_caller]
fn accept(socket: &mut IpvsSocket, requests: &[Request]) {
    let refused = socket.carry_out(requests).unwrap();
    let said: Vec<String> = refused
        .iter()
        .map(|(place, error)| format!("{:?}: {error}", requests[*place]))
        .collect();
    assert!(said.is_empty(), "{said:#?}");
}

const MARKED: ServiceId = ServiceId::Mark {
    mark: 7,
    family: Family::V6,
};

/// A service of every kind.
fn kinds_of_services() -> Vec<(ServiceId, Service)> {
    let persistent = Service {
        persistence: Some(360),
        netmask: 0xffff_ff00,
        scheduler: "sh".to_owned(),
        scheduler_flags: 0x18,
        ..wlc()
    };
    let udp = ServiceId::Address {
        protocol: 17,
        address: ip("192.0.2.2"),
        port: 5060,
    };
    let sip = Service {
        engine: Some("sip".to_owned()),
        persistence: Some(60),
        one_packet: true,
        ..wlc()
    };
    let sixty_four = Service {
        netmask: 64,
        persistence: Some(5),
        ..six()
    };
    vec![
        (tcp("192.0.2.1"), persistent),
        (udp, sip),
        (tcp("fd00::1"), sixty_four),
        (MARKED, six()),
    ]
}

/// A destination of every kind.
fn kinds_of_destinations() -> [(ServiceId, IpAddr, u16, Destination); 5] {
    let tunnel = |kind, port, flags| Method::Tunnel { kind, port, flags };
    let thresholds = Destination {
        upper_threshold: 100,
        lower_threshold: 50,
        ..to(Method::Nat, 3)
    };
    [
        (tcp("192.0.2.1"), ip("10.0.0.2"), 8080, thresholds),
        (tcp("192.0.2.1"), ip("10.0.0.3"), 80, to(Method::Direct, 0)),
        (tcp("192.0.2.1"), ip("10.0.0.4"), 80, to(tunnel(1, 6080, 1), 9)),
        (tcp("192.0.2.1"), ip("fd00::4"), 80, to(tunnel(0, 0, 0), 1)),
        (MARKED, ip("fd00::5"), 0, to(Method::Direct, 1)),
    ]
}

#[test]
fn services_and_destinations_are_found_as_they_were_added() {
    with_table(|socket| {
        let (mut services, destinations) = (kinds_of_services(), kinds_of_destinations());
        let mut requests: Vec<Request> = services
            .iter()
            .map(|(id, service)| Request::AddService(*id, service.clone()))
            .collect();
        requests.extend(destinations.map(|(id, address, port, to)| Request::AddDestination(id, address, port, to)));
        accept(socket, &requests);

        let found = socket.services().unwrap().into_iter();
        let mut found: Vec<(ServiceId, Service)> = found.map(|found| (found.id, found.service)).collect();
        found.sort_by_key(|(id, _)| *id);
        services.sort_by_key(|(id, _)| *id);
        assert_eq!(found, services);
        for (id, _) in services {
            let found = socket.destinations(id).unwrap().into_iter();
            let mut found: Vec<_> = found.map(|f| (id, f.address, f.port, f.destination)).collect();
            found.sort_by_key(|(_, address, ..)| *address);
            let wanted: Vec<_> = destinations.into_iter().filter(|(of, ..)| *of == id).collect();
            assert_eq!(found, wanted, "{id}");
        }
    });
}

#[test]
fn what_is_there_is_changed_and_removed() {
    with_table(|socket| {
        let id = tcp("192.0.2.1");
        let (one, two) = (ip("10.0.0.2"), ip("10.0.0.3"));
        accept(
            socket,
            &[
                Request::AddService(id, wlc()),
                Request::AddDestination(id, one, 80, to(Method::Nat, 1)),
                Request::AddDestination(id, two, 80, to(Method::Nat, 1)),
            ],
        );
        let edited = Service {
            scheduler: "rr".to_owned(),
            persistence: Some(30),
            ..wlc()
        };
        accept(
            socket,
            &[
                Request::EditService(id, edited.clone()),
                Request::EditDestination(id, one, 80, to(Method::Direct, 5)),
                Request::RemoveDestination(id, two, 80),
            ],
        );
        assert_eq!(socket.services().unwrap()[0].service, edited);
        let left = socket.destinations(id).unwrap();
        assert_eq!((left.len(), left[0].destination), (1, to(Method::Direct, 5)));
        accept(socket, &[Request::EditService(id, wlc())]);
        assert_eq!(socket.services().unwrap()[0].service, wlc(), "persistence goes too");
        accept(socket, &[Request::RemoveService(id)]);
        assert_eq!(socket.services().unwrap(), []);
    });
}

#[test]
fn refusals_are_told_each_and_do_not_stop_the_others() {
    with_table(|socket| {
        let id = tcp("192.0.2.1");
        let address = ip("10.0.0.2");
        let nobody = Service {
            scheduler: "nobody".to_owned(),
            ..wlc()
        };
        let requests = [
            Request::AddService(id, wlc()),
            Request::AddService(id, wlc()),
            Request::AddService(tcp("192.0.2.9"), nobody),
            Request::AddDestination(id, address, 80, to(Method::Nat, 1)),
            Request::EditDestination(id, address, 81, to(Method::Nat, 1)),
            Request::RemoveService(tcp("192.0.2.8")),
        ];
        let refused = socket.carry_out(&requests).unwrap();
        let codes: Vec<(usize, Option<i32>)> = refused
            .iter()
            .map(|(place, error)| (*place, error.raw_os_error()))
            .collect();
        let expected = [
            (1, Some(libc::EEXIST)),
            (2, Some(libc::ENOENT)),
            (4, Some(libc::ENOENT)),
            (5, Some(libc::ESRCH)),
        ];
        assert_eq!(codes, expected);
        assert_eq!(socket.destinations(id).unwrap().len(), 1);
    });
}

#[test]
fn thousands_of_destinations_are_added_and_found() {
    with_table(|socket| {
        let id = tcp("192.0.2.1");
        let mut requests = vec![Request::AddService(id, wlc())];
        requests.extend((0..2_000_u32).map(|n| {
            let address = std::net::Ipv4Addr::from(0x0a00_0001 + n).into();
            Request::AddDestination(id, address, 80, to(Method::Nat, n % 10))
        }));
        accept(socket, &requests);
        assert_eq!(socket.destinations(id).unwrap().len(), 2_000);
        accept(socket, &[Request::Flush]);
        assert_eq!(socket.services().unwrap(), []);
    });
}

#[test]
fn timeouts_are_set_and_read() {
    with_table(|socket| {
        let before = socket.timeouts().unwrap();
        socket
            .set_timeouts(Timeouts {
                tcp: 901,
                tcp_fin: 0,
                udp: 301,
            })
            .unwrap();
        let now = socket.timeouts().unwrap();
        assert_eq!((now.tcp, now.tcp_fin, now.udp), (901, before.tcp_fin, 301));
    });
}

#[test]
fn a_sync_daemon_is_started_found_and_stopped() {
    with_table(|socket| {
        let daemon = SyncDaemon {
            state: SyncState::Backup,
            interface: "lo".parse().unwrap(),
            id: 9,
            max_len: Some(1400),
            group: Some(ip("224.0.0.81")),
            port: Some(8848),
            ttl: Some(3),
        };
        socket.start_sync(&daemon).unwrap();
        assert_eq!(socket.sync_daemons().unwrap(), [daemon]);
        let twice = socket.start_sync(&daemon).unwrap_err();
        assert_eq!(twice.errno(), Some(libc::EEXIST));
        socket.stop_sync(&daemon).unwrap();
        assert_eq!(socket.sync_daemons().unwrap(), []);
    });
}
