//! Profiles repositories, from their files to what an installer gets: rendering against golden files, hostile values, and every refusal's text.

mod anaconda;
mod ansible;
mod answers;
mod corpus;
mod debian_family;
mod disks;
mod fixture;
mod golden;
mod graph;
mod hostile_definitions;
mod images;
mod inheritance;
mod injection;
mod language;
mod loaders;
mod matrix;
mod network;
mod network_words;
mod parts;
mod refusals;
mod secrets;
mod shapes;
mod show;
mod spots;
mod usage;
mod validators;
