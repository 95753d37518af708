//! The description of the API (OpenAPI 3.1), made from the functions and types that answer.

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, Ref, RefOr, Response as Described, ResponseBuilder, schema,
};
use utoipa::{Modify, OpenApi};

use super::problem::Problem;
use super::{play_token, sessions, settings, status, streams};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Rillcast",
        description = "Streams, sessions and settings of a running Rillcast. Errors are problem documents (RFC 9457).",
    ),
    paths(
        streams::list, streams::get, streams::put, streams::patch, streams::delete, streams::runtime,
        streams::start, streams::stop, streams::restart, play_token::make,
        sessions::of_stream, sessions::list, sessions::get, sessions::kick,
        settings::get, settings::patch, settings::defaults, settings::limits,
    ),
    components(schemas(Problem, status::PushState)),
    tags(
        (name = "streams", description = "What is published, and how it is doing."),
        (name = "sessions", description = "Who publishes and who watches."),
        (name = "config", description = "The settings outside of streams."),
    ),
    modifiers(&Common),
)]
struct Api;

/// What all operations have in common.
struct Common;

impl Modify for Common {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        for item in api.paths.paths.values_mut() {
            let all = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
            all.into_iter().flatten().for_each(complete);
        }
    }
}

fn complete(operation: &mut Operation) {
    let mut statuses = vec![
        ("400", "The request cannot be read."),
        ("401", "A token is needed."),
        ("403", "Not for whoever asks."),
    ];
    let parameters = operation.parameters.get_or_insert_default();
    let is_dry_run = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.name == "dry_run");
    let changes = parameters.iter().any(is_dry_run);
    if changes {
        let text = || ObjectBuilder::new().schema_type(schema::Type::String);
        let header = |name: &str, description: &str, text: ObjectBuilder| {
            let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
            header.description(Some(description)).schema(Some(text.build())).build()
        };
        let versions = "A version, as ETag has it: the change is made of that one alone. Several may be given, with commas.";
        parameters.push(header("If-Match", versions, text()).into());
        let none = "`*`: the change is made only where nothing is yet.";
        parameters.push(header("If-None-Match", none, text()).into());
        statuses.extend([
            ("412", "It is another version."),
            ("500", "It was kept, and could not be done as a whole; or it could not be written to data_dir."),
        ]);
    }
    if operation.request_body.is_some() {
        statuses.extend([
            ("408", "The body did not come in time."),
            ("413", "The body has more than 256 KiB."),
            ("415", "The body is of another type."),
            ("422", "The document says what cannot be; `errors` says where."),
        ]);
    }
    for (status, description) in statuses {
        operation.responses.responses.insert(status.to_owned(), problem(description).into());
    }
}

fn problem(description: &str) -> Described {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}

/// The description, made once.
pub(super) fn document() -> &'static utoipa::openapi::OpenApi {
    static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(|| {
        let mut document = Api::openapi();
        document.info.version = env!("CARGO_PKG_VERSION").to_owned();
        document
    });
    &DOCUMENT
}

/// `/api/openapi.json`.
pub(super) fn answer() -> Response {
    super::json(StatusCode::OK, document(), None)
}
