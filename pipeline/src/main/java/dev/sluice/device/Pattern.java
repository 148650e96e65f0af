// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

/**
 * The simulated FPGA's samples: 64-bit little-endian words that count up over everything produced, lost bytes included.
 * A wrong word tells by itself where it belongs.
 */
public final class Pattern {

    /** Written over a released buffer, if asked: a word that no stream shorter than 10^19 bytes contains. */
    public static final long POISON = 0xdead_beef_dead_beefL;

    private Pattern() {}

    /** The word that contains the byte at {@code position} of the stream. */
    public static long word(long position) {
        return position >>> 3;
    }
}
