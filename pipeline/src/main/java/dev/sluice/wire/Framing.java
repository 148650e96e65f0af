// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

/** How frames are marked off in the stream. */
public enum Framing {
    /** The kept bytes and nothing else. */
    RAW,
    /** A {@link Header} before each frame's kept bytes, and an END header at a clean finish. */
    SLUICE
}
