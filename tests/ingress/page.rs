//! docs/ingress.md, and ingresses made of its blocks.

use std::net::{IpAddr, Ipv4Addr};

use portcullis_test_support::{Door, Gateway, Ingress, Peers, Proxy};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

const PAGE: &str = include_str!("../../docs/ingress.md");
/// The name that the page gives to the gateway.
pub(crate) const NAME: &str = "gateway.example.com";

/// The fenced block of `language` whose first line is the comment `title`, without that line.
pub(crate) fn block(language: &str, title: &str) -> String {
    let start = format!("\n```{language}\n");
    let mut blocks = PAGE.split(start.as_str()).skip(1).filter_map(|rest| {
        let (block, _) = rest.split_once("\n```")?;
        let (first, text) = block.split_once('\n')?;
        (first.trim() == format!("# {title}")).then(|| format!("{text}\n"))
    });
    let found = blocks.next();
    assert!(blocks.next().is_none(), "two blocks are titled {title:?}");
    found.unwrap_or_else(|| panic!("no {language} block is titled {title:?}"))
}

/// `text` with something else in the place of `what`, which has to be there.
pub(crate) fn replaced(text: &str, what: &str, with: &str) -> String {
    assert!(text.contains(what), "{what:?} is not in\n{text}");
    text.replace(what, with)
}

/// A certificate authority, and what it issued for the gateway: certificate and key in one file.
pub(crate) struct Certificates {
    pub(crate) authority: String,
    gateway: String,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        Self::issue().expect("a certificate")
    }

    fn issue() -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::new([])?;
        authority.distinguished_name.push(DnType::CommonName, "authority of a test");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([NAME.to_owned()])?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params.use_authority_key_identifier_extension = true;
        let gateway = params.signed_by(&key, &authority)?.pem() + &key.serialize_pem();
        Ok(Self { authority: authority.pem(), gateway })
    }
}

/// The file of an ingress, on its way from the page to the process.
pub(crate) struct Site {
    proxy: Proxy,
    text: String,
}

impl Site {
    /// The documented one: TLS before one gateway.
    pub(crate) fn new(proxy: Proxy) -> Self {
        let text = match proxy {
            Proxy::Nginx => block("nginx", "/etc/nginx/conf.d/portcullis.conf"),
            Proxy::HaProxy => block("haproxy", "/etc/haproxy/haproxy.cfg, below `global`"),
        };
        Self { proxy, text }
    }

    /// With another block for the gateways behind it, by its title.
    pub(crate) fn upstream(mut self, title: &str) -> Self {
        let whole = "the block has two parts";
        self.text = match self.proxy {
            Proxy::Nginx => {
                let (_, server) = self.text.split_once("\nserver {").expect(whole);
                format!("{}\nserver {{{server}", block("nginx", title))
            }
            Proxy::HaProxy => {
                let (front, _) = self.text.split_once("\nbackend ").expect(whole);
                format!("{front}\n{}", block("haproxy", title))
            }
        };
        self
    }

    /// Under the documented path prefix.
    pub(crate) fn under_prefix(mut self) -> Self {
        self.text = match self.proxy {
            Proxy::Nginx => {
                let (before, rest) = self.text.split_once("    location / {").expect("a location");
                let (_, after) = rest.split_once("    }\n").expect("its end");
                let title = "under a path prefix, in the place of `location /`";
                format!("{before}{}{after}", block("nginx", title))
            }
            Proxy::HaProxy => {
                let title = "under a path prefix, in the frontend";
                let line = "    option forwardfor\n";
                replaced(&self.text, line, &format!("{line}{}", block("haproxy", title)))
            }
        };
        self
    }

    /// With something else in the place of `what`.
    pub(crate) fn replacing(mut self, what: &str, with: &str) -> Self {
        self.text = replaced(&self.text, what, with);
        self
    }

    /// Starts it over plain HTTP.
    pub(crate) fn plain(self, peers: &Peers, door: Door, gateways: &[&Gateway]) -> Ingress {
        let without = match self.proxy {
            Proxy::Nginx => self.replacing("443 ssl", "443"),
            Proxy::HaProxy => self.replacing(" ssl crt /etc/haproxy/gateway.pem", ""),
        };
        // nginx reads the files all the same.
        without.start(peers, door, gateways, &Certificates::new())
    }

    /// Starts it over TLS.
    pub(crate) fn tls(
        self,
        peers: &Peers,
        door: Door,
        gateway: &Gateway,
        certificates: &Certificates,
    ) -> Ingress {
        let with = match self.proxy {
            Proxy::Nginx => self,
            Proxy::HaProxy => self.replacing("/etc/haproxy/gateway.pem", "gateway.pem"),
        };
        with.start(peers, door, &[gateway], certificates)
    }

    fn start(
        mut self,
        peers: &Peers,
        door: Door,
        gateways: &[&Gateway],
        certificates: &Certificates,
    ) -> Ingress {
        let listen = door.listen(self.proxy);
        self = match self.proxy {
            Proxy::Nginx => self
                .replacing("listen 443", &format!("listen {listen}"))
                .replacing("/etc/ssl/gateway.pem", "gateway.pem")
                .replacing("/etc/ssl/gateway.key", "gateway.pem"),
            Proxy::HaProxy => self.replacing("bind :443", &format!("bind {listen}")),
        };
        let shown: &[&str] = match gateways {
            [_] => &["127.0.0.1:8090"],
            _ => &["10.0.0.1:8090", "10.0.0.2:8090"],
        };
        for (shown, gateway) in shown.iter().zip(gateways) {
            let address = gateway.origin().trim_start_matches("http://");
            self = self.replacing(shown, address);
        }
        Ingress::start(
            peers,
            self.proxy,
            door,
            &self.text,
            &[("gateway.pem", &certificates.gateway)],
        )
    }
}
