//! Tools that stand for a request of another kind.

use std::sync::Arc;

use crate::builtin::arguments::{Argument, Takes};
use crate::builtin::tool::Definition;
use crate::call::Spelling;
use crate::catalogue::Entry;

const CALL_TOOL: Definition = Definition {
    name: "call_tool",
    description: "Calls a tool by its name. list_tools and filter_tools find names, describe_tool \
                  tells what arguments a tool takes. The text of the result is the tool's own \
                  result as JSON.",
    takes: &[
        Argument::required("name", Takes::Text, "The tool's name, as list_tools gives it"),
        Argument::optional("arguments", Takes::Object, "The tool's own arguments"),
    ],
};

const GET_RESOURCE: Definition = Definition {
    name: "get_resource",
    description: "Reads a resource by its URI. list_resources finds URIs.",
    takes: &[Argument::required("uri", Takes::Text, "The resource's URI")],
};

const GET_PROMPT: Definition = Definition {
    name: "get_prompt",
    description: "Gets a prompt by its name, as messages. list_prompts finds names, describe_prompt \
                  tells what arguments a prompt takes.",
    takes: &[
        Argument::required("name", Takes::Text, "The prompt's name, as list_prompts gives it"),
        Argument::optional("arguments", Takes::Object, "The prompt's own arguments, all strings"),
    ],
};

pub(super) fn entries() -> [Arc<Entry>; 3] {
    [
        CALL_TOOL.spelling(Spelling::CallTool),
        GET_RESOURCE.spelling(Spelling::GetResource),
        GET_PROMPT.spelling(Spelling::GetPrompt),
    ]
}
