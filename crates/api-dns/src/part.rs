//! Which instances of a service a name means.

use crate::names::{self, Part};
use std::sync::Arc;
use whither_directory::{Listed, Selection, ServiceView};
use whither_model::{InstanceId, Port};

pub(crate) fn selection_word(selection: Selection) -> &'static str {
    match selection {
        Selection::Usable => "usable",
        Selection::LastKnown => "last_known",
        Selection::Empty => "empty",
    }
}

pub(crate) fn is_whole(part: Part<'_>) -> bool {
    matches!(part, Part::Whole | Part::Rfc2782)
}

pub(crate) fn is_part(listed: &Listed, part: Part<'_>) -> bool {
    match part {
        Part::Tag(label) => {
            listed.instance.registration.tags.iter().any(|tag| tag.as_bytes().eq_ignore_ascii_case(label))
        }
        Part::Port(_) | Part::Rfc2782Port(_) => port_of(listed, part).is_some(),
        Part::Whole | Part::Rfc2782 | Part::Instance(_) => true,
    }
}

/// The instances of this part to give to a caller. The rule of [`Selection`] holds for the part alone: a time-out does
/// not empty it although others of the service are usable.
pub(crate) fn select<'s>(service: &'s ServiceView, part: Part<'_>) -> (Vec<&'s Arc<Listed>>, Selection) {
    if is_whole(part) {
        return (service.selected().collect(), service.selection());
    }
    let matching = || service.instances().iter().filter(|listed| is_part(listed, part));
    let selection = Selection::among(matching().map(|listed| listed.status));
    (matching().filter(|listed| selection.takes(listed.status)).collect(), selection)
}

pub(crate) fn port_of<'l>(listed: &'l Listed, part: Part<'_>) -> Option<&'l Port> {
    let ports = &listed.instance.registration.ports;
    match part {
        Part::Port(name) | Part::Rfc2782Port(name) => ports.iter().find(|port| port.name.as_str() == name),
        _ => ports.first(),
    }
}

pub(crate) fn by_label<'s>(service: &'s ServiceView, label: &str) -> Option<&'s Arc<Listed>> {
    match names::hash_of_label(label) {
        Some(hash) => service.instances().iter().find(|listed| names::has_hashed_label(listed.id().as_str(), hash)),
        None if names::is_own_label(label) => service.instance(&label.parse::<InstanceId>().ok()?),
        None => None,
    }
}
