//! YAML text to trees, with bounds: a file is at most 1 MiB, a document at most 64 levels deep,
//! and what aliases repeat is counted as often as they repeat it.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::config::node::join;
use crate::config::{Data, Entry, Location, Node, Problem, Text};

/// The most that is read of one file.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 100_000;

/// Reads a file of at most [`MAX_FILE_BYTES`] as UTF-8.
///
/// # Errors
/// When it cannot be read, is too large, or is not UTF-8.
pub fn read_file(path: &Path) -> Result<String, Problem> {
    let problem = |message: String| Problem::new(Location::file(path), "", message);
    let unreadable = |error: std::io::Error| problem(format!("cannot be read: {error}"));
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(problem(format!("is larger than {MAX_FILE_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| problem("is not UTF-8 text".to_owned()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// One document of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its value.
    pub root: Node,
    /// What is wrong with it as YAML: duplicate keys.
    pub problems: Vec<Problem>,
}

/// Reads every document of `text`. After a syntax error the documents before it are still there.
pub fn parse(text: &str, location: &Location) -> (Vec<Document>, Option<Problem>) {
    let mut builder = Builder {
        events: Parser::new_from_str(text),
        location,
        anchors: HashMap::new(),
        nodes: 0,
        problems: Vec::new(),
    };
    let mut documents = Vec::new();
    let end = builder.documents(&mut documents);
    let error =
        end.err().map(|Stop { line, message }| Problem::new(location.at(line), "", message));
    (documents, error)
}

/// Writes `text` as one YAML scalar that is read as the same string, by YAML 1.1 readers too.
pub fn quote(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    // A JSON string is a YAML string in double quotes.
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// The text ends here: a syntax error, or a bound that is passed.
struct Stop {
    line: u32,
    message: String,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        Self {
            line: u32::try_from(error.marker().line()).unwrap_or(u32::MAX),
            message: format!("is not YAML: {}", error.info()),
        }
    }
}

struct Builder<'t> {
    events: Parser<'t, StrInput<'t>>,
    location: &'t Location,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    problems: Vec<Problem>,
}

impl<'t> Builder<'t> {
    fn documents(&mut self, documents: &mut Vec<Document>) -> Result<(), Stop> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                event => {
                    self.anchors.clear();
                    let root = self.node(event, span, "", 0)?;
                    let problems = std::mem::take(&mut self.problems);
                    documents.push(Document { root, problems });
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Stop> {
        match self.events.next_event() {
            Some(event) => Ok(event?),
            None => Err(Stop { line: 1, message: "ends too early".to_owned() }),
        }
    }

    fn node(
        &mut self,
        event: Event<'t>,
        span: Span,
        path: &str,
        depth: usize,
    ) -> Result<Node, Stop> {
        let line = line(span);
        let before = self.nodes;
        self.count(1, line)?;
        if depth > MAX_DEPTH {
            return Err(Stop { line, message: format!("is deeper than {MAX_DEPTH} levels") });
        }
        if let Some(tag) = foreign_tag(&event) {
            return Err(Stop {
                line,
                message: format!("has the tag {tag}, which means nothing here"),
            });
        }
        let (anchor, data) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let string = style != ScalarStyle::Plain || tag.is_some();
                let null = !string && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                (anchor, if null { Data::Null } else { Data::Text(Text::new(text)) })
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(path, depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(path, depth)?),
            Event::Alias(anchor) => return self.alias(anchor, line),
            _ => return Err(Stop { line, message: "is not YAML: a value is missing".to_owned() }),
        };
        let node = Node { line, data };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn list(&mut self, path: &str, depth: usize) -> Result<Data, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Data::List(items));
            }
            let path = format!("{path}[{}]", items.len());
            items.push(self.node(event, span, &path, depth + 1)?);
        }
    }

    fn map(&mut self, path: &str, depth: usize) -> Result<Data, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Data::Map(entries));
            }
            let line = line(span);
            let key = match self.node(event, span, path, depth + 1)?.data {
                Data::Text(text) => text.value,
                Data::Null => "null".to_owned(),
                _ => return Err(Stop { line, message: "has a key that is not a text".to_owned() }),
            };
            let path = join(path, &key);
            let (event, span) = self.next()?;
            let value = self.node(event, span, &path, depth + 1)?;
            match entries.iter().find(|entry| entry.key == key) {
                None => entries.push(Entry { key, line, value }),
                Some(first) => {
                    let message = format!("is already set in line {}; remove one", first.line);
                    self.problems.push(Problem::new(self.location.at(line), path, message));
                }
            }
        }
    }

    fn alias(&mut self, anchor: usize, line: u32) -> Result<Node, Stop> {
        let (node, size) = self.anchors.get(&anchor).cloned().ok_or_else(|| Stop {
            line,
            message: "refers to an anchor that is not complete".to_owned(),
        })?;
        self.count(size, line)?;
        Ok(node)
    }

    fn count(&mut self, more: usize, line: u32) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err(Stop { line, message: format!("has more than {MAX_NODES} values") });
        }
        Ok(())
    }
}

/// A tag outside of YAML's core schema: somebody expects `!secret` or `!include` to work.
fn foreign_tag(event: &Event<'_>) -> Option<String> {
    let (Event::Scalar(.., tag) | Event::SequenceStart(_, tag) | Event::MappingStart(_, tag)) =
        event
    else {
        return None;
    };
    let tag = tag.as_deref().filter(|tag| !tag.is_yaml_core_schema())?;
    Some(format!("{}{}", tag.handle, tag.suffix))
}

fn line(span: Span) -> u32 {
    u32::try_from(span.start.line()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
