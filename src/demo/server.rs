//! The demo server's answers.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    CompletionInfo, ContentBlock, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
    Implementation, JsonObject, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam,
    PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Reference,
    ResourceContents, Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value, json};
use tokio::time::{Instant, sleep_until};

use super::offer;

/// How many progress notifications `slow` sends.
const STEPS: u32 = 10;
/// How long `slow` may take.
const SLOWEST: Duration = Duration::from_mins(10);

/// The demo server; it has no state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demo;

#[derive(Deserialize)]
struct Echo {
    message: String,
}

#[derive(Deserialize)]
struct Add {
    a: Number,
    b: Number,
}

#[derive(Deserialize)]
struct Slow {
    ms: u64,
}

#[derive(Deserialize)]
struct Greet {
    who: String,
}

type Context = RequestContext<RoleServer>;

impl ServerHandler for Demo {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .enable_completions()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("portcullis-demo", env!("CARGO_PKG_VERSION")))
            .with_instructions("A server to try things with: nothing it does has any effect.")
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(offer::tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let outcome = match &*request.name {
            "echo" => typed(arguments).map(|Echo { message }| success(message)),
            "add" => typed(arguments).map(|numbers| sum(&numbers)),
            "slow" => match typed(arguments) {
                Ok(Slow { ms }) => Ok(slow(Duration::from_millis(ms), &context).await),
                Err(reason) => Err(reason),
            },
            "fail" => Err("this tool always fails".to_owned()),
            unknown => {
                return Err(ErrorData::invalid_params(format!("unknown tool: {unknown}"), None));
            }
        };
        // Wrong arguments are an error that the model can learn from (MCP 2025-11-25, Tools,
        // "Error Handling").
        let failed = |reason| CallToolResult::error(vec![ContentBlock::text(reason)]);
        Ok(outcome.unwrap_or_else(failed).into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(offer::resources()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(offer::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        let (text, mime_type) = match uri.strip_prefix(offer::ITEM) {
            Some(id) if !id.is_empty() => {
                (json!({ "id": id, "letters": id.chars().count() }).to_string(), "application/json")
            }
            _ if uri == offer::README => (include_str!("readme.md").to_owned(), "text/markdown"),
            _ => {
                let data = json!({ "uri": uri });
                return Err(ErrorData::resource_not_found("resource not found", Some(data)));
            }
        };
        let contents = ResourceContents::text(text, uri).with_mime_type(mime_type);
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(offer::prompts()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name != "greet" {
            let reason = format!("unknown prompt: {}", request.name);
            return Err(ErrorData::invalid_params(reason, None));
        }
        let Greet { who } = typed(request.arguments.unwrap_or_default())
            .map_err(|reason| ErrorData::invalid_params(reason, None))?;
        let text = format!("Greet {who} in one friendly sentence.");
        let messages = vec![PromptMessage::new_text(Role::User, text)];
        Ok(GetPromptResult::new(messages).with_description(format!("Greets {who}")).into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        let candidates: &[&str] = match (&request.r#ref, &*request.argument.name) {
            (Reference::Prompt(prompt), "who") if prompt.name == "greet" => &offer::NAMES,
            (Reference::Resource(template), "id") if template.uri.starts_with(offer::ITEM) => {
                &offer::ITEMS
            }
            _ => &[],
        };
        let typed = request.argument.value.to_lowercase();
        let matching = candidates.iter().filter(|name| name.to_lowercase().starts_with(&typed));
        let values = matching.map(|name| (*name).to_owned()).collect();
        let info = CompletionInfo::with_all_values(values);
        Ok(CompleteResult::new(info.map_err(|reason| ErrorData::internal_error(reason, None))?))
    }
}

/// The arguments a tool or prompt knows; others are ignored.
fn typed<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, String> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| error.to_string())
}

fn success(text: String) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// The sum, exact where both are integers.
fn sum(Add { a, b }: &Add) -> CallToolResult {
    let exact = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b));
    let sum = match exact {
        Some(sum) => json!(sum),
        None => json!(a.as_f64().unwrap_or_default() + b.as_f64().unwrap_or_default()),
    };
    let mut result = CallToolResult::structured(json!({ "sum": sum }));
    result.content = vec![ContentBlock::text(sum.to_string())];
    result
}

async fn slow(duration: Duration, context: &Context) -> CallToolResult {
    let (started, duration) = (Instant::now(), duration.min(SLOWEST));
    for step in 1..=STEPS {
        tokio::select! {
            () = sleep_until(started + duration * step / STEPS) => {}
            () = context.ct.cancelled() => return success("cancelled".to_owned()),
        }
        if let Some(token) = context.meta.get_progress_token() {
            let progress = ProgressNotificationParam::new(token, step.into());
            let progress = progress.with_total(STEPS.into());
            // A client that is gone is noticed by the transport.
            context.peer.notify_progress(progress).await.ok();
        }
    }
    success(format!("took {} ms", duration.as_millis()))
}
