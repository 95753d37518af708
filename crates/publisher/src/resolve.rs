//! From a name to addresses.

use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::seconds;

/// Addresses of a name that are tried.
const ADDRESSES: usize = 16;

/// The addresses of a host, which may be one itself, as the system has them now: one at least.
///
/// # Errors
/// A sentence about why there is none.
pub(crate) async fn resolve(host: &str, port: u16, patience: Duration) -> Result<Vec<SocketAddr>, String> {
    let fault = |why: String| format!("no address for {host}: {why}");
    let looked_up = tokio::time::timeout(patience, tokio::net::lookup_host((host, port))).await;
    let late = |_| fault(format!("no answer within {}", seconds(patience)));
    let found = looked_up.map_err(late)?.map_err(|error| fault(error.to_string()))?;
    let addresses: Vec<_> = found.take(ADDRESSES).collect();
    if addresses.is_empty() { Err(fault("the name has none".to_owned())) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_without_an_address_is_named() {
        let patience = Duration::from_secs(20);
        let why = resolve("nothing.invalid", 1, patience).await.expect_err("no such name");
        assert!(why.starts_with("no address for nothing.invalid: "), "{why}");
        let found = resolve("::1", 7, patience).await.expect("an address");
        assert_eq!(found, [SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 7))]);
    }
}
