//! Sockets to listen on. A host name stands for all its addresses, so `localhost` is 127.0.0.1 and ::1; port 0 is chosen
//! once and taken on every address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use andiron_broker::config::Listener;

use crate::StartError;
use crate::limits::PORT_TRIES_MAX;

/// The sockets of one listener, all on one port.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) port: u16,
    pub(crate) sockets: Vec<TcpListener>,
}

/// Binds a listener.
pub(crate) fn bind(listener: &Listener) -> Result<Listening, StartError> {
    let refused = |error: io::Error| refusal(listener, &error);
    let hosts = hosts(listener).map_err(refused)?;
    let mut tries = 0;
    loop {
        tries += 1;
        match bind_all(&hosts, listener.port) {
            Ok(sockets) => {
                let port = sockets.first().map_or(Ok(0), |s| s.local_addr().map(|a| a.port())).map_err(refused)?;
                return Ok(Listening { port, sockets });
            }
            // The port that the system chose for one address was taken on the other.
            Err(error) if listener.port == 0 && tries < PORT_TRIES_MAX && error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(refused(error)),
        }
    }
}

fn hosts(listener: &Listener) -> io::Result<Vec<IpAddr>> {
    let host = listener.host.trim_matches(['[', ']']);
    if host.is_empty() {
        return Ok(vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)]);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    }
    let mut found: Vec<IpAddr> = (host, listener.port).to_socket_addrs()?.map(|a| a.ip()).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn bind_all(hosts: &[IpAddr], port: u16) -> io::Result<Vec<TcpListener>> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    for &host in hosts {
        let port = match sockets.first() {
            Some(first) => first.local_addr()?.port(),
            None => port,
        };
        match TcpListener::bind(SocketAddr::new(host, port)) {
            Ok(socket) => {
                socket.set_nonblocking(true)?;
                // An unspecified IPv6 socket takes IPv4 along where the system says so.
                let everything = host.is_unspecified();
                sockets.push(socket);
                if everything {
                    break;
                }
            }
            // A machine without IPv6, or without the address in question.
            Err(error)
                if error.kind() == io::ErrorKind::AddrNotAvailable
                    || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) =>
            {
                missing = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if sockets.is_empty() => Err(error),
        _ => Ok(sockets),
    }
}

fn refusal(listener: &Listener, error: &io::Error) -> StartError {
    let address = format!("{}:{}", listener.host, listener.port);
    match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { listener: listener.name.clone(), address },
        io::ErrorKind::PermissionDenied => StartError::PortForbidden { listener: listener.name.clone(), address },
        _ => StartError::Bind { listener: listener.name.clone(), address, reason: error.to_string() },
    }
}
