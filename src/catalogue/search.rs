//! Ranking by BM25F: how well the name and the description of a tool answer a query.
//!
//! BM25 with two fields (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and
//! Beyond", 2009, section 3.6): the counts of a term are made comparable within each field by its
//! length, weighted, added, and only then saturated.

use std::collections::HashMap;

use super::tokens::tokens;

/// How soon more of the same term counts for no more.
const K1: f64 = 1.5;
/// How much long texts have to say a term more often.
const B: f64 = 0.75;
/// A name says more than a description.
const WEIGHTS: [f64; FIELDS] = [3.0, 1.0];
/// Verbs that half of all tools begin with, and what they count for.
const STOP_VERBS: [&str; 2] = ["list", "get"];
const STOP_VERB_WEIGHT: f64 = 0.25;

/// Name and description.
const FIELDS: usize = 2;

/// The words of many documents.
#[derive(Debug, Default)]
pub(super) struct Corpus {
    /// How many words the fields of each document have.
    lengths: Vec<[u32; FIELDS]>,
    /// Where each word stands, by document.
    postings: HashMap<String, Vec<Posting>>,
}

#[derive(Debug)]
struct Posting {
    document: usize,
    counts: [u32; FIELDS],
}

/// One of many documents that answers a query, and how well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its place.
    pub document: usize,
    /// Greater is better; never zero.
    pub score: f64,
}

impl Corpus {
    /// Adds a document behind the others.
    pub(super) fn add(&mut self, fields: [&str; FIELDS]) {
        let document = self.lengths.len();
        let mut lengths = [0; FIELDS];
        for (field, text) in fields.into_iter().enumerate() {
            for word in tokens(text) {
                lengths[field] += 1;
                let postings = self.postings.entry(word).or_default();
                if postings.last().is_none_or(|last| last.document != document) {
                    postings.push(Posting { document, counts: [0; FIELDS] });
                }
                if let Some(posting) = postings.last_mut() {
                    posting.counts[field] += 1;
                }
            }
        }
        self.lengths.push(lengths);
    }

    /// Those of the candidates, which are in ascending order, that have a word of the query; the
    /// best first, equals in their order. What is rare is rare among the candidates.
    pub(super) fn rank(&self, query: &str, candidates: &[usize]) -> Vec<Hit> {
        let mut words: Vec<_> = tokens(query).collect();
        words.sort_unstable();
        words.dedup();
        let averages = self.averages(candidates);
        let mut scores = vec![0.0; candidates.len()];
        for word in &words {
            let postings = self.postings.get(word).map_or(&[][..], Vec::as_slice);
            let place = |it: &Posting| candidates.binary_search(&it.document).ok();
            let among: Vec<_> =
                postings.iter().filter_map(|posting| Some((place(posting)?, posting))).collect();
            let weight = idf(among.len(), candidates.len()) * of_verb(word);
            for (place, posting) in among {
                let frequency = self.frequency(posting, averages);
                scores[place] += weight * frequency * (K1 + 1.0) / (frequency + K1);
            }
        }
        let hit = |(document, score): (&usize, f64)| Hit { document: *document, score };
        let mut hits: Vec<_> = candidates.iter().zip(scores).map(hit).collect();
        hits.retain(|hit| hit.score > 0.0);
        hits.sort_by(|one, other| other.score.total_cmp(&one.score));
        hits
    }

    /// How many words the fields of the candidates have on average.
    fn averages(&self, candidates: &[usize]) -> [f64; FIELDS] {
        let mut sums = [0.0; FIELDS];
        for candidate in candidates {
            for (sum, length) in sums.iter_mut().zip(self.lengths[*candidate]) {
                *sum += f64::from(length);
            }
        }
        sums.map(|sum| sum / float(candidates.len()))
    }

    /// How often a document says a word, weighted by where.
    fn frequency(&self, posting: &Posting, averages: [f64; FIELDS]) -> f64 {
        let mut sum = 0.0;
        for (field, count) in posting.counts.into_iter().enumerate().filter(|(_, it)| *it > 0) {
            let length = f64::from(self.lengths[posting.document][field]) / averages[field];
            sum += WEIGHTS[field] * f64::from(count) / (1.0 - B + B * length);
        }
        sum
    }
}

/// How much a word tells that `having` of `all` documents have; greater than zero.
fn idf(having: usize, all: usize) -> f64 {
    let (having, all) = (float(having), float(all));
    ((all - having + 0.5) / (having + 0.5)).ln_1p()
}

fn of_verb(word: &str) -> f64 {
    if STOP_VERBS.contains(&word) { STOP_VERB_WEIGHT } else { 1.0 }
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 documents")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(documents: &[[&str; 2]]) -> Corpus {
        let mut corpus = Corpus::default();
        for document in documents {
            corpus.add(*document);
        }
        corpus
    }

    fn ranked(documents: &[[&str; 2]], query: &str) -> Vec<usize> {
        let all: Vec<_> = (0..documents.len()).collect();
        corpus(documents).rank(query, &all).iter().map(|hit| hit.document).collect()
    }

    #[test]
    fn scores_are_those_computed_by_hand() {
        // Names have 2 and 2 words, descriptions 3 and 1: 2 each on average.
        let corpus = corpus(&[["pods_list", "Lists all pods"], ["read_file", "Reads"]]);
        // "pods" is in one of two documents: idf = ln(1 + 1.5 / 1.5) = ln 2.
        // In the name: 3 * 1 / (0.25 + 0.75 * 2 / 2) = 3.
        // In the description: 1 * 1 / (0.25 + 0.75 * 3 / 2) = 1 / 1.375 = 0.727273.
        // ln 2 * 3.727273 * 2.5 / (3.727273 + 1.5) = 1.235610.
        let hits = corpus.rank("pods", &[0, 1]);
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].document, 0);
        assert!((hits[0].score - 1.235_610).abs() < 1e-6, "{hits:?}");
        // "list" is in the name alone and a stop verb: ln 2 * 3 * 2.5 / 4.5 / 4 = 0.288811.
        let with_verb = corpus.rank("List the pods", &[0, 1])[0].score;
        assert!((with_verb - hits[0].score - 0.288_811).abs() < 1e-6, "{with_verb}");
    }

    #[test]
    fn what_is_rare_is_rare_among_the_candidates() {
        let corpus = corpus(&[["a", ""], ["a", ""], ["b", ""], ["c", ""]]);
        let score = |candidates: &[usize]| corpus.rank("a", candidates)[0].score;
        assert!(score(&[0, 2, 3]) > score(&[0, 1, 2, 3]));
        assert!(corpus.rank("a", &[2, 3]).is_empty());
        assert!(corpus.rank("a", &[]).is_empty());
    }

    #[test]
    fn the_noun_decides_and_equals_keep_their_order() {
        let tools = [
            ["list_nodes", "Lists nodes"],
            ["list_pods", "Lists pods"],
            ["delete", "Removes pods"],
            ["remove", "Removes pods"],
        ];
        assert_eq!(ranked(&tools, "list pods"), [1, 2, 3, 0]);
        assert_eq!(ranked(&tools, "list list LIST"), [0, 1]);
        assert_eq!(ranked(&tools, "volumes"), [0; 0]);
        assert_eq!(ranked(&tools, ""), [0; 0]);
        assert_eq!(ranked(&[["x", ""]], "x"), [0]);
    }
}
