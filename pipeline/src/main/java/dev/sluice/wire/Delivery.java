// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

/** What a sink does about a connection that breaks. */
public enum Delivery {
    /** Goes on with the next frame; what was on its way is gone, counted, and announced as lost. */
    LIVE,
    /** Holds each frame until the receiver has acknowledged it, and goes on where the receiver wants it to. */
    RESUME
}
