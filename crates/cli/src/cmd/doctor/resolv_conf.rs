//! `/etc/resolv.conf`: whom programs ask, and for which names (resolv.conf(5), as glibc reads it).

use std::net::IpAddr;

/// glibc asks no more than these (`MAXNS`).
pub(super) const ASKED_MAX: usize = 3;
/// Nameservers that are looked at, those included that glibc does not ask.
const NAMESERVERS_MAX: usize = 8;
/// Search domains that are looked at.
const SEARCH_MAX: usize = 16;
/// As many dots make a name absolute unless the file says otherwise.
const NDOTS: usize = 1;
/// More than this is not believed (`RES_MAXNDOTS`).
const NDOTS_MAX: usize = 15;

/// A nameserver line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Nameserver {
    /// Where it is.
    pub(super) address: IpAddr,
    /// The line that names it, from 1; `None` for the preset.
    pub(super) line: Option<usize>,
}

/// What the file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ResolvConf {
    /// Whom to ask, in order; never empty.
    pub(super) nameservers: Vec<Nameserver>,
    /// What is added to names, in order; no dots at the ends.
    pub(super) search: Vec<String>,
    /// Names with fewer dots are tried with the search path first.
    pub(super) ndots: usize,
    /// Nameserver lines that name no address: number and text.
    pub(super) odd: Vec<(usize, String)>,
}

impl ResolvConf {
    /// Reads `text`; `domain` is the host's own, which is searched if nothing else is said.
    pub(super) fn parse(text: &str, domain: Option<&str>) -> Self {
        let mut read = Self { nameservers: Vec::new(), search: Vec::new(), ndots: NDOTS, odd: Vec::new() };
        read.search.extend(domain.and_then(domain_name));
        for (number, line) in (1..).zip(text.lines()) {
            let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
            match words.next() {
                // A comment is one at the beginning of its line only.
                _ if line.starts_with(['#', ';']) => {}
                Some("nameserver") => match words.next().map(str::parse) {
                    Some(Ok(address)) if read.nameservers.len() < NAMESERVERS_MAX => {
                        read.nameservers.push(Nameserver { address, line: Some(number) });
                    }
                    Some(Ok(_)) => {}
                    _ if read.odd.len() < NAMESERVERS_MAX => read.odd.push((number, line.to_owned())),
                    _ => {}
                },
                // The last of them counts, whole.
                Some("search") => read.search = words.take(SEARCH_MAX).filter_map(domain_name).collect(),
                Some("domain") => read.search = words.take(1).filter_map(domain_name).collect(),
                Some("options") => {
                    for ndots in words.filter_map(|word| word.strip_prefix("ndots:")?.parse::<usize>().ok()) {
                        read.ndots = ndots.min(NDOTS_MAX);
                    }
                }
                _ => {}
            }
        }
        if read.nameservers.is_empty() {
            read.nameservers.push(Nameserver { address: IpAddr::from([127, 0, 0, 1]), line: None });
        }
        read
    }

    /// The whole names that are asked for one after the other when a program looks `name` up, with final dots.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let whole = format!("{name}.");
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}."));
        if name.matches('.').count() >= self.ndots {
            std::iter::once(whole).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(whole)).collect()
        }
    }

    /// What of `full`, a whole name without final dot, may be left out because the search path adds it again.
    pub(super) fn short_forms(&self, full: &str) -> Vec<String> {
        let short = |domain: &String| full.strip_suffix(domain.as_str())?.strip_suffix('.').map(str::to_owned);
        self.search.iter().filter_map(short).filter(|name| !name.is_empty()).collect()
    }
}

/// A domain without dots at its ends, in lower case.
fn domain_name(word: &str) -> Option<String> {
    let name = word.trim_matches('.').to_ascii_lowercase();
    (!name.is_empty()).then_some(name)
}
