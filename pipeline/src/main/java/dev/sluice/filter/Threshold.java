// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;

/**
 * Type {@code threshold}: keeps the samples above or below a value, with so many bytes before and after each; where these
 * overlap, each byte goes on once. They are bytes of the stream, whatever frames they lie in, but not across a gap: behind
 * one, samples are judged anew. Only whole samples are kept; where channels are interleaved, one of each. Nothing is
 * copied.
 */
public final class Threshold implements Filter {

    private final Trigger trigger;
    private final int unitBytes;
    private final long before;
    private final long after;
    private final Stretches stretches;
    private final Stretches.Taker search = this::search;

    // What is kept around the latest trigger, and those that it overlaps, by position in the stream: the part that has
    // not gone on yet, and where it ends if nothing triggers any more.
    private boolean running;
    private long runStart;
    private long runEnd;

    private long keptEnd;
    private long frameStart;

    private Threshold(Trigger trigger, long before, long after) {
        this.trigger = trigger;
        this.before = before;
        this.after = after;
        unitBytes = trigger.unitBytes();
        stretches = new Stretches(unitBytes);
    }

    /** What is to be kept before a trigger, and the part of its sample that may lie in an earlier frame. */
    @Override
    public long lookbackBytes() {
        return before + unitBytes - 1;
    }

    @Override
    public void filter(Frame frame, Kept kept) {
        if (frame.lostBytes() > 0) {
            running = false;
        }
        frameStart = stretches.seen();
        stretches.read(frame, kept, search);
        long end = stretches.wholeEnd();
        if (running) {
            keepRun(Math.min(runEnd, end), kept);
        }
        // Nothing before this will be kept: without it, frames would wait for one more, even if nothing is to be kept
        // before a trigger.
        keptEnd = Math.max(Math.max(keptEnd, stretches.unbrokenFrom()), end - before);
        kept.keep(keptEnd - frameStart, 0);
    }

    private void search(MemorySegment memory, long offset, long bytes, long position, Kept kept) {
        long toPosition = position - offset;
        long end = offset + bytes;
        long at = offset;
        while (at < end) {
            if (running) {
                // Of the samples whose bytes before reach back to the run, only the last matters.
                long joining = Math.min(end, runEnd + before + unitBytes - toPosition);
                if (at < joining) {
                    extendRun(trigger.last(memory, at, joining), toPosition);
                    at = joining;
                    continue;
                }
                keepRun(runEnd, kept);
                running = false;
            }
            long found = trigger.first(memory, at, end);
            if (found < 0) {
                return;
            }
            running = true;
            runStart = Math.max(found + toPosition - before, stretches.unbrokenFrom());
            at = before + after > 0 ? found + unitBytes : trigger.endOfRun(memory, found, end);
            extendRun(at - unitBytes, toPosition);
        }
    }

    private void extendRun(long found, long toPosition) {
        if (found >= 0) {
            runEnd = found + toPosition + unitBytes + after;
        }
    }

    /** Keeps the run up to {@code end}; what there is of it after that goes on later. */
    private void keepRun(long end, Kept kept) {
        if (end > runStart) {
            kept.keep(runStart - frameStart, end - runStart);
            runStart = end;
            keptEnd = end;
        }
    }

    /** Makes {@link Threshold} filters. */
    public static final class Factory implements FilterFactory {

        /** 1 TiB: no ring holds that much, and positions stay far from the end of their range. */
        private static final long MOST_BYTES = 1L << 40;

        @Override
        public String type() {
            return "threshold";
        }

        @Override
        public Supplier<Filter> configure(Settings settings) {
            Trigger trigger = Trigger.read(settings);
            long before = wholeUnits(settings.bytes("before", 0, MOST_BYTES), trigger);
            long after = wholeUnits(settings.bytes("after", 0, MOST_BYTES), trigger);
            return () -> new Threshold(trigger, before, after);
        }

        private static long wholeUnits(long bytes, Trigger trigger) {
            return (bytes + trigger.unitBytes() - 1) / trigger.unitBytes() * trigger.unitBytes();
        }
    }
}
