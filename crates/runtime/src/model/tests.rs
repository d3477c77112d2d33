mod bad;
mod entrance;
mod keys;
mod kit;
mod real;
mod relay;
mod tls;
