// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The frames of a stream as stretches of whole units (a sample, or one of each channel), in order. A unit that lies in
 * several slices or frames is put together in memory of its own and comes as a stretch when its last byte has come. The
 * stream begins with a whole unit. One that a gap cut a part off never comes; where the next begins behind the gap
 * follows from the bytes that were lost.
 *
 * <p>Positions count the bytes seen since the stream began, lost ones not among them.
 */
final class Stretches {

    /** Takes them. */
    @FunctionalInterface
    interface Taker {
        /**
         * Whole units, side by side.
         *
         * @param offset of the first in {@code memory}
         * @param bytes of them all
         * @param position of the first
         * @param kept that of the frame being read
         */
        void take(MemorySegment memory, long offset, long bytes, long position, Kept kept);
    }

    private final int unitBytes;
    private final MemorySegment joined;

    private long seen;

    // The unit that has begun: how much of it has come, and whether a gap cut off its start.
    private int begun;
    private boolean cut;

    private long unbrokenFrom;

    Stretches(int unitBytes) {
        this.unitBytes = unitBytes;
        joined = Arena.ofAuto().allocate(unitBytes);
    }

    /** Hands on all units that end in the next frame of the stream. */
    void read(Frame frame, Kept kept, Taker taker) {
        if (frame.lostBytes() > 0) {
            begun = (int) ((begun + frame.lostBytes()) % unitBytes);
            cut = begun > 0;
            unbrokenFrom = seen;
        }
        int slices = frame.sliceCount();
        for (int i = 0; i < slices; i++) {
            readSlice(frame.memory(i), frame.sliceOffset(i), frame.sliceLength(i), kept, taker);
        }
    }

    private void readSlice(MemorySegment memory, long offset, long length, Kept kept, Taker taker) {
        long at = offset;
        long left = length;
        if (begun > 0) {
            int taken = (int) Math.min(left, unitBytes - begun);
            join(memory, at, taken);
            at += taken;
            left -= taken;
            if (begun < unitBytes) {
                return;
            }
            begun = 0;
            if (cut) {
                cut = false;
                unbrokenFrom = seen;
            } else {
                taker.take(joined, 0, unitBytes, seen - unitBytes, kept);
            }
        }
        long rest = left % unitBytes;
        long whole = left - rest;
        if (whole > 0) {
            taker.take(memory, at, whole, seen, kept);
            seen += whole;
        }
        join(memory, at + whole, (int) rest);
    }

    private void join(MemorySegment memory, long offset, int bytes) {
        MemorySegment.copy(memory, offset, joined, begun, bytes);
        begun += bytes;
        seen += bytes;
    }

    /** Where what was read ends. */
    long seen() {
        return seen;
    }

    /** Where the whole units that were read end. */
    long wholeEnd() {
        return seen - (cut ? 0 : begun);
    }

    /** Where the whole units begin behind the last gap: up to here a filter may look back. */
    long unbrokenFrom() {
        return unbrokenFrom;
    }
}
