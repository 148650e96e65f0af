// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

/** A stream was stopped from outside, by nobody who may: its actor died. */
public final class StoppedException extends IllegalStateException {

    private static final long serialVersionUID = 1L;

    StoppedException() {
        super("the stream was stopped in the middle; see the log");
    }
}
