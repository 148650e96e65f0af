// SPDX-License-Identifier: Apache-2.0
package dev.sluice.faults;

/** A way through the proxy, by who is at its end. */
public enum Direction {
    /** What the one that connects sends. */
    TO_TARGET,
    /** What it is answered. */
    TO_CLIENT
}
