//! A room for each thing a switch has to do with: its words, its commands, its settings, what it shows.

pub(crate) mod callhome;
pub(crate) mod clock;
pub(crate) mod configuration;
pub(crate) mod doctor;
pub(crate) mod feature;
pub(crate) mod files;
pub(crate) mod forecast;
pub(crate) mod interface;
pub(crate) mod legacy;
pub(crate) mod license;
pub(crate) mod logging;
pub(crate) mod names;
pub(crate) mod network;
pub(crate) mod ntp;
pub(crate) mod preview;
pub(crate) mod reach;
pub(crate) mod redundancy;
pub(crate) mod route;
pub(crate) mod software;
pub(crate) mod system;
pub(crate) mod terminal;
pub(crate) mod users;

use crate::command::Topic;

/// All of them.
pub(crate) const ALL: &[Topic] = &[
    callhome::TOPIC,
    clock::TOPIC,
    configuration::TOPIC,
    feature::TOPIC,
    files::TOPIC,
    interface::TOPIC,
    legacy::TOPIC,
    license::TOPIC,
    doctor::TOPIC,
    forecast::TOPIC,
    preview::TOPIC,
    redundancy::TOPIC,
    logging::TOPIC,
    names::TOPIC,
    ntp::TOPIC,
    reach::TOPIC,
    route::TOPIC,
    software::TOPIC,
    system::TOPIC,
    terminal::TOPIC,
    users::TOPIC,
];
