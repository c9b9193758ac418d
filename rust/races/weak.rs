//! Questions of memory order.
