//! What the programs of this package share.

/// Prints whether something holds, for the test that runs the program: one JSON object a line.
pub fn check(name: &str, ok: bool, detail: impl std::fmt::Debug) {
    let detail: String = format!("{detail:?}").chars().take(300).collect();
    println!("{}", serde_json::json!({ "name": name, "ok": ok, "detail": detail }));
}

/// The address that the program was given, as `unix:/path` or `host:port`.
pub fn argument(place: usize) -> String {
    std::env::args().nth(place).expect("an argument is missing")
}

/// Tells the test that a server takes connections.
pub fn ready() {
    println!("ready");
}
