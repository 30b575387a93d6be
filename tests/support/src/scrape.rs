//! What the gateway says about itself.

use std::fs;
use std::time::Duration;

use crate::wire::Request;
use crate::{Gateway, within};

impl Gateway {
    /// The page that Prometheus reads.
    pub async fn metrics_page(&self) -> String {
        Request::new("GET", self.metrics_url()).send().await.text().await
    }

    /// The sum of all series that begin with `series`: a name, or a name and some of its labels.
    pub async fn metric(&self, series: &str) -> f64 {
        sum(&self.metrics_page().await, series)
    }

    /// Waits until the sum of these series is what `wanted` takes.
    pub async fn until_metric(&self, series: &str, wanted: impl Fn(f64) -> bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        within(&format!("{series} as wanted"), async {
            while !wanted(self.metric(series).await) {
                ticks.tick().await;
            }
        })
        .await;
    }

    /// How many file descriptors the process has open.
    pub fn open_files(&self) -> usize {
        let directory = format!("/proc/{}/fd", self.process().pid());
        fs::read_dir(&directory).unwrap_or_else(|error| panic!("{directory}: {error}")).count()
    }

    /// The processes that the gateway started and that have not ended.
    pub fn children(&self) -> Vec<u32> {
        crate::children(self.process().pid())
    }

    /// How much memory the process has, in KiB.
    pub fn memory_kib(&self) -> usize {
        let path = format!("/proc/{}/status", self.process().pid());
        let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        number.unwrap_or_else(|| panic!("no resident set in {status}"))
    }
}

fn sum(page: &str, series: &str) -> f64 {
    let values = page.lines().filter(|line| {
        line.strip_prefix(series).is_some_and(|rest| rest.starts_with(['{', ' ', ',', '}']))
    });
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn series_are_summed_by_name_and_by_their_first_labels() {
        let page = "# TYPE a counter\na{x=\"1\",y=\"1\"} 2\na{x=\"1\",y=\"2\"} 3\na_b 7\nb 1.5\n";
        for (series, value) in
            [("a", 5.0), ("a{x=\"1\"", 5.0), ("a{x=\"1\",y=\"2\"", 3.0), ("b", 1.5), ("c", 0.0)]
        {
            assert!((sum(page, series) - value).abs() < 1e-9, "{series}");
        }
    }
}
