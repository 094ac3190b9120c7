//! Checks of real listeners on loopback, and of real commands.

mod bed;
mod commands;
mod encrypted;
mod grpc;
mod http;
mod tcp;
