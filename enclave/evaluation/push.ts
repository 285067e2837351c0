// The form of what is pushed: a JWS of the evaluating enclave inside a JWE to the institution. Both ends read this.

/** Type of a signed push: the recipient checks who evaluated. */
export const pushType = "yunei-evaluation+jws";
