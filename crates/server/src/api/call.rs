//! What a path means.

use percent_encoding::percent_decode_str;
use publisher::{Code, CodeError};

use super::problem::{Fault, Kind, Problem};
use crate::control::Order;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Call {
    Page,
    OpenApi,
    Streams,
    Stream(Code),
    Runtime(Code),
    PlayToken(Code),
    SessionsOf(Code),
    Order(Code, Order),
    Sessions,
    Session(u64),
    Config,
    Defaults,
    Limits,
}

impl Call {
    /// The call at a path. A code may be spelt with its slashes or with `%2F`: what is to be done with the stream is the last
    /// part, which no code ends with.
    pub(super) fn find(path: &str) -> Result<Self, Problem> {
        let path = percent_decode_str(path).decode_utf8();
        let path = path.map_err(|_| Problem::new(Kind::Malformed, "the path is not UTF-8"))?;
        let rest = path.strip_prefix("/api").unwrap_or_default();
        match rest {
            "" | "/" => return Ok(Self::Page),
            "/openapi.json" => return Ok(Self::OpenApi),
            "/v1/streams" => return Ok(Self::Streams),
            "/v1/sessions" => return Ok(Self::Sessions),
            "/v1/config" => return Ok(Self::Config),
            "/v1/config/defaults" => return Ok(Self::Defaults),
            "/v1/limits" => return Ok(Self::Limits),
            _ => {}
        }
        if let Some(id) = rest.strip_prefix("/v1/sessions/") {
            let number = id.parse::<i64>().ok().and_then(|id| u64::try_from(id).ok());
            let wrong = || Problem::parameter("id", "a session's id is a whole number");
            return number.map(Self::Session).ok_or_else(wrong);
        }
        let Some(of_stream) = rest.strip_prefix("/v1/streams/") else {
            return Err(Problem::new(Kind::NotFound, "the API has no such call; /api/ lists them"));
        };
        let (code, last) = of_stream.rsplit_once('/').unwrap_or((of_stream, ""));
        match last {
            "runtime" => code_of(code).map(Self::Runtime),
            "play-token" => code_of(code).map(Self::PlayToken),
            "sessions" => code_of(code).map(Self::SessionsOf),
            "start" => code_of(code).map(|code| Self::Order(code, Order::Start)),
            "stop" => code_of(code).map(|code| Self::Order(code, Order::Stop)),
            "restart" => code_of(code).map(|code| Self::Order(code, Order::Restart)),
            _ => code_of(of_stream).map(Self::Stream),
        }
    }

    /// The methods that there are, as in `Allow`. HEAD is there wherever GET is.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Stream(_) => "GET, HEAD, PUT, PATCH, DELETE",
            Self::Order(..) | Self::PlayToken(_) => "POST",
            Self::Session(_) => "GET, HEAD, DELETE",
            Self::Config => "GET, HEAD, PATCH",
            _ => "GET, HEAD",
        }
    }
}

fn code_of(text: &str) -> Result<Code, Problem> {
    text.parse().map_err(|error: CodeError| {
        Problem::new(Kind::Malformed, "the path names no stream")
            .with(Fault::parameter("code", &error.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_from_the_end_of_a_path() {
        let code = |text: &str| text.parse::<Code>().expect(text);
        for (path, call) in [
            ("/v1/streams/news", Call::Stream(code("news"))),
            ("/v1/streams/region/news", Call::Stream(code("region/news"))),
            ("/v1/streams/region%2Fnews", Call::Stream(code("region/news"))),
            ("/v1/streams/region%2fnews/runtime", Call::Runtime(code("region/news"))),
            ("/v1/streams/region/news/start", Call::Order(code("region/news"), Order::Start)),
            ("/v1/streams/start/news/sessions", Call::SessionsOf(code("start/news"))),
            ("/v1/sessions/7", Call::Session(7)),
            ("", Call::Page),
        ] {
            assert_eq!(Call::find(&format!("/api{path}")).expect(path), call);
        }
        for (path, kind) in [
            ("/v1/streams/", Kind::Malformed),
            ("/v1/streams/start", Kind::Malformed),
            ("/v1/streams//start", Kind::Malformed),
            ("/v1/streams/a//b", Kind::Malformed),
            ("/v1/streams/live/news", Kind::Malformed),
            ("/v1/streams/n%C3%A9ws", Kind::Malformed),
            ("/v1/streams/%FF", Kind::Malformed),
            ("/v1/sessions/x", Kind::Malformed),
            ("/v2/streams", Kind::NotFound),
            ("/v1/config/x", Kind::NotFound),
        ] {
            assert_eq!(Call::find(&format!("/api{path}")).expect_err(path).kind(), kind, "{path}");
        }
    }
}
