//! `GET /` in a browser: where the gateway is, and what to paste into a client.

use bytes::Bytes;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response};
use serde_json::json;

use crate::server::Body;

const STYLE: &str = include_str!("welcome.css");
/// Nothing is loaded and nothing runs. The style is our own text, so it may stand in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// How clients get in.
#[derive(Clone, Debug)]
pub enum WayIn {
    /// The URL of the Streamable HTTP endpoint.
    StreamableHttp(String),
    /// The URL of the HTTP+SSE endpoint.
    Sse(String),
    /// The command line that starts the gateway on a client's standard streams.
    Stdio {
        /// Its program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
    },
}

impl WayIn {
    /// The URL, or `stdio`.
    pub fn address(&self) -> &str {
        match self {
            Self::StreamableHttp(url) | Self::Sse(url) => url,
            Self::Stdio { .. } => "stdio",
        }
    }

    /// The block that clients take: `mcp.json` of IDEs, the settings of chat clients.
    pub fn client_config(&self) -> String {
        let entry = match self {
            Self::StreamableHttp(url) => json!({ "type": "http", "url": url }),
            Self::Sse(url) => json!({ "type": "sse", "url": url }),
            Self::Stdio { command, args } => {
                json!({ "type": "stdio", "command": command, "args": args })
            }
        };
        let config = json!({ "mcpServers": { "portcullis": entry } });
        serde_json::to_string_pretty(&config).expect("a value of strings can be written")
    }

    fn url(&self) -> &str {
        match self {
            Self::StreamableHttp(url) | Self::Sse(url) => url,
            Self::Stdio { .. } => "",
        }
    }

    fn what_is_spoken(&self) -> &'static str {
        match self {
            Self::StreamableHttp(_) => {
                "Streamable HTTP, and at <code>/sse</code> HTTP+SSE for older clients"
            }
            Self::Sse(_) => "HTTP+SSE (MCP 2024-11-05)",
            Self::Stdio { .. } => "MCP on its standard input",
        }
    }
}

/// The page, written once.
#[derive(Clone, Debug)]
pub struct Welcome {
    page: Bytes,
}

impl Welcome {
    /// `way` is how clients reach the gateway.
    pub fn new(way: &WayIn) -> Self {
        let (url, block) = (escaped(way.url()), escaped(&way.client_config()));
        let spoken = way.what_is_spoken();
        let version = env!("CARGO_PKG_VERSION");
        let page = format!(
            r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Portcullis</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Portcullis</h1>
<p>One MCP endpoint in front of many MCP servers. It speaks {spoken}: connect an MCP
client, not a browser.</p>
<h2>URL</h2>
<pre class="copy">{url}</pre>
<h2><code>mcp.json</code></h2>
<p>Click to select, then copy it into your client's configuration.</p>
<pre class="copy">{block}</pre>
<footer>Portcullis {version}</footer>
</main>
</body>
</html>
"#
        );
        Self { page: page.into() }
    }

    /// `GET /`.
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::Full(self.page.clone()));
        let headers = response.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-cache"),
            (VARY, "accept"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Whether whoever asks is a browser that shows pages.
pub fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .flat_map(|accept| accept.split(','))
        .any(|range| range.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("text/html"))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(url: &str) -> String {
        let way = WayIn::StreamableHttp(url.to_owned());
        String::from_utf8(Welcome::new(&way).page.to_vec()).unwrap()
    }

    #[test]
    fn the_page_shows_the_url_and_a_block_that_clients_understand() {
        let page = page("http://localhost:8090/mcp");
        assert!(page.contains(r#"<pre class="copy">http://localhost:8090/mcp</pre>"#));
        let block = WayIn::StreamableHttp("http://localhost:8090/mcp".to_owned()).client_config();
        let block = escaped(&block);
        assert!(page.contains(&block) && block.contains("mcpServers"));
    }

    #[test]
    fn each_way_in_has_a_block_of_its_own() {
        let args = vec!["serve".to_owned(), "--stdio".to_owned()];
        for (way, entry) in [
            (WayIn::StreamableHttp("u".into()), json!({ "type": "http", "url": "u" })),
            (WayIn::Sse("u".into()), json!({ "type": "sse", "url": "u" })),
            (
                WayIn::Stdio { command: "portcullis".into(), args: args.clone() },
                json!({ "type": "stdio", "command": "portcullis", "args": args }),
            ),
        ] {
            let block: serde_json::Value = serde_json::from_str(&way.client_config()).unwrap();
            assert_eq!(block["mcpServers"]["portcullis"], entry);
        }
    }

    #[test]
    fn what_is_shown_cannot_become_markup() {
        let page = page("https://x/</pre><script>alert('1')&\"");
        assert!(!page.contains("<script>"));
        assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&amp;&quot;"));
    }

    #[test]
    fn the_page_may_load_and_run_nothing() {
        let way = WayIn::Sse("http://localhost/sse".to_owned());
        let response = Welcome::new(&way).response();
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("script-src"));
        assert!(!page("x").contains("src=") && !page("x").contains("href="));
    }

    #[test]
    fn browsers_want_html_and_mcp_clients_do_not() {
        for (accept, html) in [
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), true),
            (Some("application/json, text/html;q=0.5"), true),
            (Some("application/json, text/event-stream"), false),
            (Some("*/*"), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(wants_html(&headers), html, "{accept:?}");
        }
    }
}
