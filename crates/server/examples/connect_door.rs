//! The Spark Connect door alone, for trying clients against it: `connect_door [port]`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "spark")]
fn main() {
    let port: u16 = std::env::args().nth(1).map_or(15002, |port| port.parse().expect("a port"));
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    let engine = andiron_engine::Engine::new(andiron_engine::EngineOptions::default());
    let door = andiron_server::connect::serve(vec![listener], engine).expect("an open door");
    println!("Spark Connect on {}", door.address());
    loop {
        std::thread::park();
    }
}

#[cfg(not(feature = "spark"))]
fn main() {}
