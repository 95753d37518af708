//! Proof of who publishes, by a challenge: `authmod=adobe` and `authmod=llnw`.
//!
//! Neither is specified anywhere; both are what the encoders of Adobe and Limelight do, and all others after them. A
//! server refuses `connect` with a description that names the way it wants, and closes. A second connection names the
//! user in the query of the application and is refused with the challenge, a third answers it.
//!
//! ```text
//! [ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] :
//! [ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=u&salt=s&challenge=c&opaque=o
//! [ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=authfailed&opaque=o
//! ```

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::url::Credentials;

/// The longest description that is read.
const LONGEST: usize = 4096;

/// A way to prove it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Adobe,
    /// Limelight: RFC 2617 with constants.
    Llnw,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Adobe => "adobe",
            Self::Llnw => "llnw",
        }
    }
}

/// What a server makes of the proof so far.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It does not speak of that.
    Silent,
    /// Connect again with this in the query of the application.
    Answer(String),
    /// It wants a proof, and none can be given, or not this one: a sentence for the user.
    Refused(&'static str),
}

/// Reads the description with which `connect` was refused. `app` is the application, `asked` what its query had of an
/// answer, and `nonce` is 8 hexadecimal digits of our own choice.
pub(super) fn judge(
    description: &str,
    credentials: Option<&Credentials>,
    app: &str,
    asked: Option<&str>,
    nonce: &str,
) -> Verdict {
    let mode = [Mode::Adobe, Mode::Llnw]
        .into_iter()
        .find(|mode| description.contains(&format!("authmod={}", mode.name())));
    let Some(mode) = mode.filter(|_| description.len() <= LONGEST) else { return Verdict::Silent };
    let Some(credentials) = credentials.filter(|credentials| !credentials.user.is_empty()) else {
        return Verdict::Refused("the server wants a user name and a password, and the URL has none");
    };
    let user = &credentials.user;
    if description.contains("reason=nosuchuser") {
        return Verdict::Refused("the server does not know the user");
    }
    if description.contains("reason=authfail") {
        return Verdict::Refused("user name or password is wrong");
    }
    let challenge = description.split_once("?reason=needauth").map(|(_, challenge)| challenge);
    match (challenge, asked) {
        (None, None) if description.contains("403 need auth") => {
            Verdict::Answer(format!("authmod={}&user={user}", mode.name()))
        }
        // Once answered, a second challenge says that the answer was wrong.
        (Some(challenge), asked) if !asked.is_some_and(|asked| asked.contains("response=")) => {
            let answer = match mode {
                Mode::Adobe => adobe(challenge, credentials, nonce),
                Mode::Llnw => llnw(challenge, credentials, app, nonce),
            };
            Verdict::Answer(format!("authmod={}&user={user}{answer}", mode.name()))
        }
        _ => Verdict::Refused("the server does not accept the proof of user name and password"),
    }
}

/// A value of the challenge, as it is: no server encodes them.
fn value<'c>(challenge: &'c str, name: &str) -> Option<&'c str> {
    let mut pairs = challenge.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
}

fn adobe(challenge: &str, Credentials { user, password }: &Credentials, nonce: &str) -> String {
    let salt = value(challenge, "salt").unwrap_or_default();
    let opaque = value(challenge, "opaque");
    let theirs = opaque.or_else(|| value(challenge, "challenge")).unwrap_or_default();
    let salted = BASE64_STANDARD.encode(digest(&[user, salt, password]));
    let response = BASE64_STANDARD.encode(digest(&[&salted, theirs, nonce]));
    let opaque = opaque.map(|opaque| format!("&opaque={opaque}")).unwrap_or_default();
    format!("&challenge={nonce}&response={response}{opaque}")
}

fn llnw(challenge: &str, Credentials { user, password }: &Credentials, app: &str, nonce: &str) -> String {
    const COUNT: &str = "00000001";
    let theirs = value(challenge, "nonce").unwrap_or_default();
    let app = app.split('?').next().unwrap_or_default();
    // An application without an instance has this one.
    let instance = if app.contains('/') { "" } else { "/_definst_" };
    let who = hex(digest(&[user, ":live:", password]));
    let what = hex(digest(&["publish:/", app, instance]));
    let response = hex(digest(&[&who, ":", theirs, ":", COUNT, ":", nonce, ":auth:", &what]));
    format!("&nonce={theirs}&cnonce={nonce}&nc={COUNT}&response={response}")
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// MD5, which servers have asked publishers for since 2008, of all `parts` one behind the other.
fn digest(parts: &[&str]) -> [u8; 16] {
    md5::compute(parts.concat()).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn credentials() -> Credentials {
        Credentials { user: "bob".to_owned(), password: "s3cret".to_owned() }
    }

    fn judged(description: &str, app: &str, asked: Option<&str>) -> Verdict {
        judge(description, Some(&credentials()), app, asked, "deadbeef")
    }

    fn answer(text: &str) -> Verdict {
        Verdict::Answer(text.to_owned())
    }

    const FIRST: &str = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";
    const SECOND: &str = "[ AccessManager.Reject ] : [ authmod=adobe ] : \
        ?reason=needauth&user=bob&salt=A0Xn9A==&challenge=vm9jqw==&opaque=rn9TAw==";

    #[test]
    fn the_way_of_adobe() {
        assert_eq!(judged(FIRST, "live", None), answer("authmod=adobe&user=bob"));
        let asked = Some("authmod=adobe&user=bob");
        let expected =
            "authmod=adobe&user=bob&challenge=deadbeef&response=5ztr2LlO8pq2lNB+Dk7v/w==&opaque=rn9TAw==";
        assert_eq!(judged(SECOND, "live", asked), answer(expected));
        let without = SECOND.replace("&opaque=rn9TAw==", "");
        let expected = "authmod=adobe&user=bob&challenge=deadbeef&response=daqpFm6ikTdnNJvZY7P0XA==";
        assert_eq!(judged(&without, "live", asked), answer(expected));
    }

    #[test]
    fn the_way_of_limelight() {
        let first = FIRST.replace("adobe", "llnw");
        assert_eq!(judged(&first, "live", None), answer("authmod=llnw&user=bob"));
        let second = "[ AccessManager.Reject ] : [ authmod=llnw ] : ?reason=needauth&user=bob&nonce=0a1b2c";
        for (app, response) in [
            ("live?x=/", "98cd4589a85d39bcd11675c5ff8353f6"),
            ("live/inst", "11d4b8b0a60883b7bc0b66c94d3b31a8"),
        ] {
            let expected =
                format!("authmod=llnw&user=bob&nonce=0a1b2c&cnonce=deadbeef&nc=00000001&response={response}");
            assert_eq!(judged(second, app, Some("authmod=llnw&user=bob")), answer(&expected), "{app}");
        }
    }

    #[test]
    fn a_proof_that_is_not_accepted_ends_it() {
        let refused = |verdict| matches!(verdict, Verdict::Refused(_));
        let answered = Some("authmod=adobe&user=bob&challenge=x&response=y");
        assert!(refused(judged(SECOND, "live", answered)));
        assert!(refused(judged(FIRST, "live", answered)));
        assert!(refused(judged(FIRST, "live", Some("authmod=adobe&user=bob"))));
        for reason in ["authfailed", "nosuchuser"] {
            let description = format!("[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason={reason}");
            assert!(refused(judged(&description, "live", answered)));
        }
        assert!(refused(judge(FIRST, None, "live", None, "0")));
        assert_eq!(judged("Application not found.", "live", None), Verdict::Silent);
    }

    proptest! {
        #[test]
        fn any_description_is_judged(rest in "[a-z=&?/ ]{0,80}", asked in proptest::option::of("[a-z=&]{0,20}")) {
            let _ = judged(&format!("{SECOND}{rest}"), &rest, asked.as_deref());
            let _ = judged(&format!("authmod=llnw {rest}?reason=needauth{rest}"), &rest, asked.as_deref());
        }
    }
}
