//! Objects of any kind, gathered from documents.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{
    Data, Document, Environment, Fields, Location, Node, Problem, Reader, parse_yaml, read_file,
};
use crate::definitions::{Quarantined, Server, dns_label, is_dns_label, mcp_server};

/// The `apiVersion` of an `MCPServer`.
pub const API_VERSION: &str = "muster.giantswarm.io/v1alpha1";

const LATER: &str = "is not supported yet";

/// What the documents of a configuration define.
#[derive(Debug, Default)]
pub struct Objects {
    /// The servers that are right, in the order of their files.
    pub servers: Vec<Server>,
    /// The objects that are wrong.
    pub quarantined: Vec<Quarantined>,
    /// What must not be left out in silence: objects about access, and files nobody can read.
    pub refused: Vec<Problem>,
    /// What works but is probably not what was meant.
    pub warnings: Vec<Problem>,
    names: BTreeMap<String, Location>,
}

impl Objects {
    /// The names that are taken, also by objects that are wrong, and where.
    pub fn names(&self) -> &BTreeMap<String, Location> {
        &self.names
    }

    /// Adds every document of one file; one that is not YAML is quarantined as a whole.
    pub(super) fn file(&mut self, path: &Path, directory: &Path, environment: &Environment) {
        let file = Location::file(path);
        let text = match read_file(path) {
            Ok(text) => text,
            Err(problem) => return self.quarantine(None, file, vec![problem]),
        };
        let (documents, error) = parse_yaml(&text, &file);
        for document in documents {
            self.document(document, &file, directory, environment);
        }
        if let Some(error) = error {
            self.quarantine(None, file, vec![error]);
        }
    }

    /// Adds one document of `file`; relative paths in it start from `directory`.
    pub fn document(
        &mut self,
        document: Document,
        file: &Location,
        directory: &Path,
        environment: &Environment,
    ) {
        let source = file.at(document.root.line);
        let refuse = |message: &str| Problem::new(source.clone(), "kind", message);
        if !matches!(document.root.data, Data::Map(_)) {
            // An empty document is what a file of comments holds.
            if document.root.data != Data::Null {
                let message = "is not a mapping; write \"key: value\" lines";
                let problem = Problem::new(source.clone(), "", message);
                self.quarantine(None, source, vec![problem]);
            }
            return;
        }
        match document.root.get("kind").and_then(Node::text) {
            Some("List" | "MCPServerList") if document.problems.is_empty() => {
                self.items(document.root, file, directory, environment);
            }
            Some("Workflow") => {
                self.warnings.push(refuse("Workflow is not supported yet; it is left out"));
            }
            Some(kind @ ("MCPAccessGrant" | "MCPAgentSession")) => {
                self.refused.push(refuse(&format!("{kind} {LATER}")));
            }
            _ => {
                let reader = Reader::new(source.clone(), directory, environment);
                self.mcp_server(document, reader, source);
            }
        }
    }

    /// What `kubectl get -o yaml` writes: objects in the `items` of one document.
    fn items(&mut self, mut list: Node, file: &Location, directory: &Path, env: &Environment) {
        let items = list.get_mut("items").map(|items| &mut items.data);
        let Some(Data::List(items)) = items else { return };
        for root in items.drain(..) {
            let document = Document { root, problems: Vec::new() };
            self.document(document, file, directory, env);
        }
    }

    fn mcp_server(&mut self, document: Document, mut reader: Reader<'_>, source: Location) {
        let Document { mut root, mut problems } = document;
        let spec = root.get_mut("spec");
        for (key, node) in spec.into_iter().flat_map(Node::entries_mut) {
            if ["env", "headers", "url"].contains(&key) {
                reader.expand(node, &format!("spec.{key}"));
            }
        }
        let (name, server) = reader.document(Some(&root), |fields| {
            envelope(fields);
            let name = fields.within("metadata", metadata);
            let taken = name.as_ref().and_then(|name| self.names.get(name));
            if let Some(first) = taken {
                let message = format!("is taken by {first}; choose another name");
                fields.problem_below("metadata", "name", message);
            }
            let server = mcp_server::read(fields, name.as_deref().unwrap_or(""), source.clone());
            (name, server)
        });
        let (found, warnings) = reader.finish();
        problems.extend(found);
        self.warnings.extend(warnings);
        if let Some(name) = &name {
            self.names.entry(name.clone()).or_insert_with(|| source.clone());
        }
        match server {
            Some(server) if problems.is_empty() => self.servers.push(server),
            _ => self.quarantine(name, source, problems),
        }
    }

    fn quarantine(&mut self, name: Option<String>, source: Location, mut problems: Vec<Problem>) {
        problems.sort();
        self.quarantined.push(Quarantined { name, source, problems });
    }
}

/// `apiVersion` and `kind`, and what a cluster writes into an object.
fn envelope(fields: &mut Fields<'_, '_>) {
    for (key, word) in [("apiVersion", API_VERSION), ("kind", "MCPServer")] {
        if !fields.has(key) {
            fields.problem(key, format!("is missing; write {key}: {word}"));
        }
    }
    fields.choose("apiVersion", &mut (), &[(API_VERSION, ())], &[]);
    fields.get_with("kind", |kind| match kind {
        "MCPServer" => Ok(()),
        _ => Err("is unknown; write MCPServer".to_owned()),
    });
    fields.accept(&["status"]);
}

fn metadata(fields: &mut Fields<'_, '_>) -> Option<String> {
    fields.accept(&[
        "namespace",
        "labels",
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ]);
    if !fields.has("name") {
        fields.problem("name", "is missing; every object has one");
    }
    fields.get_with("name", |name| {
        if is_dns_label(name) {
            return Ok(name.to_owned());
        }
        let label = dns_label(name);
        Err(format!("is not a DNS label (a-z, 0-9, inner hyphens, 63 at most); write {label}"))
    })
}
