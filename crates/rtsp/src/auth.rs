//! Proof of knowing a password: Basic (RFC 7617) and Digest, with SHA-256 (RFC 7616) or with MD5 (RFC 2617), which is all
//! that most players and cameras have.
//!
//! The nonce is good for one connection. A proof that was overheard is so of no use on another one, and on its own
//! connection nobody else can use it; neither the count of its uses nor the URI in it is compared for that reason, which
//! clients fill in each in its own way.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::{alphabet, engine};

use crate::header::{parameter, split};

/// Base64 whose padding may be missing.
const LENIENT: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

/// `Authorization` of a request. Its `Debug` shows nothing of it.
pub(crate) enum Authorization {
    /// The password as it is.
    Basic(Vec<u8>),
    Digest(Box<Digest>),
    /// Of a kind that was not asked for, or broken: it proves nothing.
    Other,
}

#[derive(Default)]
pub(crate) struct Digest {
    user: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    algorithm: String,
    qop: String,
    count: String,
    client_nonce: String,
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorization").finish_non_exhaustive()
    }
}

impl Authorization {
    pub(crate) fn decode(value: &str) -> Self {
        let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("Basic") {
            let Ok(pair) = LENIENT.decode(rest.trim()) else { return Self::Other };
            let mut parts = pair.splitn(2, |byte| *byte == b':').skip(1);
            return parts.next().map_or(Self::Other, |password| Self::Basic(password.to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Self::Other;
        }
        let mut found = Box::new(Digest::default());
        for (name, value) in split(rest, ',').map(parameter) {
            let field = match name.to_ascii_lowercase().as_str() {
                "username" => &mut found.user,
                "realm" => &mut found.realm,
                "nonce" => &mut found.nonce,
                "uri" => &mut found.uri,
                "response" => &mut found.response,
                "algorithm" => &mut found.algorithm,
                "qop" => &mut found.qop,
                "nc" => &mut found.count,
                "cnonce" => &mut found.client_nonce,
                _ => continue,
            };
            *field = value;
        }
        Self::Digest(found)
    }

    /// Whether it proves to know the password, by the nonce that we gave and for that method.
    pub(crate) fn matches(&self, password: &str, nonce: &str, method: &str) -> bool {
        match self {
            // Digests, so that not even the length is told.
            Self::Basic(theirs) => equal(&sha256(theirs), &sha256(password.as_bytes())),
            Self::Digest(digest) => digest.nonce == nonce && digest.matches(password, method),
            Self::Other => false,
        }
    }

    /// Whether it is a proof by another nonce than ours: of a connection before.
    pub(crate) fn is_stale(&self, nonce: &str) -> bool {
        matches!(self, Self::Digest(digest) if digest.nonce != nonce)
    }
}

impl Digest {
    /// RFC 7616 3.4; without `qop` as in RFC 2069.
    fn matches(&self, password: &str, method: &str) -> bool {
        let hash: fn(&str) -> String = match self.algorithm.to_ascii_uppercase().as_str() {
            "" | "MD5" => |text| hex(md5::compute(text).as_slice()),
            "SHA-256" => |text| hex(&sha256(text.as_bytes())),
            _ => return false,
        };
        let Self { user, realm, nonce, uri, .. } = self;
        let who = hash(&format!("{user}:{realm}:{password}"));
        let what = hash(&format!("{method}:{uri}"));
        let expected = if self.qop.is_empty() {
            hash(&format!("{who}:{nonce}:{what}"))
        } else if self.qop.eq_ignore_ascii_case("auth") {
            let Self { count, client_nonce, qop, .. } = self;
            hash(&format!("{who}:{nonce}:{count}:{client_nonce}:{qop}:{what}"))
        } else {
            return false;
        };
        equal(expected.as_bytes(), self.response.to_ascii_lowercase().as_bytes())
    }
}

/// Values of `WWW-Authenticate`, the strongest first (RFC 7616 3.7). FFmpeg goes by the last Digest of them and fails if it
/// is not the MD5 one; that it has no `qop` is for the many that do not know it.
pub(crate) fn challenges(realm: &str, nonce: &str, stale: bool) -> [String; 3] {
    let realm = realm.replace('\\', r"\\").replace('"', "\\\"");
    let stale = if stale { ", stale=true" } else { "" };
    [
        format!(r#"Digest realm="{realm}", nonce="{nonce}", algorithm=SHA-256, qop="auth"{stale}"#),
        format!(r#"Digest realm="{realm}", nonce="{nonce}", algorithm=MD5{stale}"#),
        format!(r#"Basic realm="{realm}""#),
    ]
}

/// A text that nobody guesses, of the connection's secret: one for each `purpose` and `number`.
pub(crate) fn secret_text<const BYTES: usize>(secret: &[u8; 32], purpose: &str, number: u32) -> String {
    let whole = sha256(&[secret, purpose.as_bytes(), &number.to_be_bytes()].concat());
    hex(whole.get(..BYTES).unwrap_or(&whole))
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn equal(left: &[u8], right: &[u8]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}

/// The value of `Authorization` for Basic.
#[cfg(test)]
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", LENIENT.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(value: &str, password: &str, nonce: &str, method: &str) -> bool {
        Authorization::decode(value).matches(password, nonce, method)
    }

    #[test]
    fn the_examples_of_the_specifications() {
        // RFC 7616 3.9.1, both algorithms.
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
            let value = format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
                 algorithm={algorithm}, nonce=\"{nonce}\", nc=00000001, \
                 cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            assert!(matches(&value, "Circle of Life", nonce, "GET"), "{algorithm}");
            assert!(!matches(&value, "Circle of Death", nonce, "GET"));
            assert!(!matches(&value, "Circle of Life", nonce, "PLAY"));
            assert!(!matches(&value, "Circle of Life", "another", "GET"));
            assert!(Authorization::decode(&value).is_stale("another"));
            assert!(!matches(&value.replace("qop=auth", "qop=auth-int"), "Circle of Life", nonce, "GET"));
            let other = value.replace(&format!("algorithm={algorithm}"), "algorithm=SHA-512-256");
            assert!(!matches(&other, "Circle of Life", nonce, "GET"));
        }
        // RFC 2617 2.
        assert!(matches("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "open sesame", "", "GET"));
        assert!(matches("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", "open sesame", "", "GET"));
        assert!(!matches("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "open", "", "GET"));
    }

    #[test]
    fn what_ffmpeg_5_1_answers() {
        let value = r#"Digest username="bob", realm="r", nonce="abcd", uri="rtsp://localhost:7008/live/news?key=a%2Fb", response="f531806677d294d0354f442b1e096a8f", algorithm="MD5""#;
        assert!(matches(value, "secret", "abcd", "ANNOUNCE"));
    }

    #[test]
    fn nonsense_proves_nothing() {
        for value in [
            "",
            "Basic",
            "Basic !!",
            "Basic Ym9i",
            "Bearer x",
            "Digest",
            "Digest ,,=,\"",
            "Digest response=\"\"",
        ] {
            assert!(!matches(value, "", "abcd", "PLAY"), "{value}");
        }
        assert!(matches(&basic("bob", "a:b"), "a:b", "", "PLAY"));
        assert_eq!(format!("{:?}", Authorization::decode(&basic("bob", "x"))), "Authorization { .. }");
    }

    #[test]
    fn a_realm_stays_within_its_quotes() {
        let [strong, weak, basic] = challenges("a\"b\\", "n", true);
        assert_eq!(strong, r#"Digest realm="a\"b\\", nonce="n", algorithm=SHA-256, qop="auth", stale=true"#);
        assert_eq!(weak, r#"Digest realm="a\"b\\", nonce="n", algorithm=MD5, stale=true"#);
        assert_eq!(basic, r#"Basic realm="a\"b\\""#);
    }
}
