//! Methods and notifications by their names in the specification.

/// A request method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `initialize`
    Initialize,
    /// `ping`
    Ping,
    /// `tools/list`
    ListTools,
    /// `tools/call`
    CallTool,
    /// `prompts/list`
    ListPrompts,
    /// `prompts/get`
    GetPrompt,
    /// `resources/list`
    ListResources,
    /// `resources/templates/list`
    ListResourceTemplates,
    /// `resources/read`
    ReadResource,
    /// `resources/subscribe`
    Subscribe,
    /// `resources/unsubscribe`
    Unsubscribe,
    /// `completion/complete`
    Complete,
    /// `logging/setLevel`
    SetLevel,
    /// `sampling/createMessage`, from a backend
    CreateMessage,
    /// `elicitation/create`, from a backend
    Elicit,
    /// `roots/list`, from a backend
    ListRoots,
    /// Any other; its name stands in the message.
    Other,
}

impl Method {
    const NAMED: [(&'static str, Self); 16] = [
        ("tools/call", Self::CallTool),
        ("tools/list", Self::ListTools),
        ("ping", Self::Ping),
        ("initialize", Self::Initialize),
        ("resources/read", Self::ReadResource),
        ("resources/list", Self::ListResources),
        ("resources/templates/list", Self::ListResourceTemplates),
        ("resources/subscribe", Self::Subscribe),
        ("resources/unsubscribe", Self::Unsubscribe),
        ("prompts/list", Self::ListPrompts),
        ("prompts/get", Self::GetPrompt),
        ("completion/complete", Self::Complete),
        ("logging/setLevel", Self::SetLevel),
        ("sampling/createMessage", Self::CreateMessage),
        ("elicitation/create", Self::Elicit),
        ("roots/list", Self::ListRoots),
    ];

    /// The method of that name; names are case-sensitive.
    pub fn parse(name: &str) -> Self {
        Self::NAMED.iter().find(|(known, _)| *known == name).map_or(Self::Other, |(_, m)| *m)
    }

    /// The specification's name; `other` stands for all that have none here, so that the text can
    /// be a metric label.
    pub fn as_str(self) -> &'static str {
        Self::NAMED.iter().find(|(_, m)| *m == self).map_or("other", |(name, _)| name)
    }
}

/// Names of notifications.
pub mod notification {
    /// The client is ready after `initialize`.
    pub const INITIALIZED: &str = "notifications/initialized";
    /// A request is given up by whoever sent it.
    pub const CANCELLED: &str = "notifications/cancelled";
    /// How far a request has come.
    pub const PROGRESS: &str = "notifications/progress";
    /// A log message of a server.
    pub const MESSAGE: &str = "notifications/message";
    /// The list of tools changed.
    pub const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
    /// The list of prompts changed.
    pub const PROMPTS_CHANGED: &str = "notifications/prompts/list_changed";
    /// The list of resources changed.
    pub const RESOURCES_CHANGED: &str = "notifications/resources/list_changed";
    /// A subscribed resource changed.
    pub const RESOURCE_UPDATED: &str = "notifications/resources/updated";
    /// The client's roots changed.
    pub const ROOTS_CHANGED: &str = "notifications/roots/list_changed";
    /// An elicitation by URL is done.
    pub const ELICITATION_COMPLETE: &str = "notifications/elicitation/complete";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_sensitive_and_survive_a_round_trip() {
        for (name, method) in Method::NAMED {
            assert_eq!(Method::parse(name), method);
            assert_eq!(method.as_str(), name);
        }
        assert_eq!(Method::parse("Tools/Call"), Method::Other);
    }
}
