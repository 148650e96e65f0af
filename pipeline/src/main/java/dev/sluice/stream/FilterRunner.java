// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.filter.Filter;
import dev.sluice.filter.Kept;
import dev.sluice.linux.Libc;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One filter at work on one stream, with all that lies between its calls: the frames that it may still reach back to, the
 * loss that is still to be announced, the memory for bytes of its own. The stage around it only moves frames.
 *
 * <p>A frame that is looked back to waits here. It goes on when nothing more of it can be kept: when the filter has kept
 * something behind it, when {@link Filter#lookbackBytes} have come since, or when more frames wait than the ring can spare.
 */
public final class FilterRunner implements AutoCloseable {

    private final String name;
    private final Filter filter;
    private final long lookbackBytes;
    private int mostWaiting;
    private final long mostFrameBytes;
    private final Choice choice = new Choice();

    // One stretch of scratch memory per buffer of the source: it is free again when the buffer is.
    private final long scratchBytes;
    private final @Nullable SharedMemory scratchMemory;
    private final MemorySegment[] scratch;
    private final MemorySegment[] readOnlyScratch;

    private boolean ended;

    // Owner only (the stream's thread).
    private final ArrayDeque<LentFrame> waiting = new ArrayDeque<>();
    private final ArrayDeque<LentFrame> decided = new ArrayDeque<>();
    private long seenBytes;
    private long keptEnd = Long.MIN_VALUE; // a slice may begin before the stream does
    private long unannouncedLost;
    private long cutFrames;

    /**
     * @param name the filter's, for messages
     * @param mostFrameBytes the most bytes that a frame can have which it sees
     * @throws FilterException if the filter cannot be made, or there is no memory for what it emits
     */
    public FilterRunner(String name, Supplier<Filter> maker, FramePool pool, long mostFrameBytes)
            throws FilterException {
        this.name = name;
        this.mostWaiting = Math.max(1, pool.size() / 4);
        filter = made(maker);
        try {
            lookbackBytes = filter.lookbackBytes();
            scratchBytes = filter.scratchBytes(mostFrameBytes);
            if (lookbackBytes < 0 || scratchBytes < 0) {
                throw new IllegalArgumentException(
                        "its lookbackBytes (" + lookbackBytes + ") or scratchBytes (" + scratchBytes + ") is negative");
            }
            scratch = new MemorySegment[scratchBytes > 0 ? pool.size() : 0];
            readOnlyScratch = new MemorySegment[scratch.length];
            scratchMemory = scratchBytes > 0 ? allocateScratch() : null;
        } catch (Throwable e) {
            filter.close();
            throw new FilterException(name, e);
        }
        this.mostFrameBytes = mostFrameBytes + scratchBytes;
    }

    private Filter made(Supplier<Filter> maker) throws FilterException {
        try {
            return Objects.requireNonNull(maker.get(), "its factory made no filter, but null");
        } catch (Throwable e) { // errors too: a missing class or too deep a recursion is the filter's, not ours
            throw new FilterException(name, e);
        }
    }

    private SharedMemory allocateScratch() throws LinuxException {
        long page = Libc.pageBytes();
        long stride = Math.multiplyExact((scratchBytes + page - 1) / page, page);
        SharedMemory memory =
                SharedMemory.anonymous("sluice-" + name, Math.multiplyExact(stride, (long) scratch.length));
        for (int buffer = 0; buffer < scratch.length; buffer++) {
            scratch[buffer] = memory.segment().asSlice(buffer * stride, scratchBytes);
            readOnlyScratch[buffer] = scratch[buffer].asReadOnly();
        }
        return memory;
    }

    /** Whether frames wait here for what follows them. */
    public boolean looksBack() {
        return lookbackBytes > 0;
    }

    /** Says how many may wait at most; a quarter of the source's buffers, unless it is told otherwise. */
    public void mostWaiting(int frames) {
        mostWaiting = frames;
    }

    /** The most bytes that a frame can have after it. */
    public long mostFrameBytes() {
        return mostFrameBytes;
    }

    /** Frames that went on before their time, since the ring could spare no more buffers to wait. */
    long cutFrames() {
        return cutFrames;
    }

    /**
     * Takes the next frame of the stream. What may go on after that is had from {@link #next}.
     *
     * @throws FilterException whatever the filter throws; the frames are then to be had from {@link #releaseAll}
     */
    public void accept(LentFrame frame) throws FilterException {
        frame.beginChoice(seenBytes);
        seenBytes += frame.size();
        waiting.addLast(frame);
        try {
            choice.begin(frame);
            filter.filter(frame, choice);
        } catch (Throwable e) { // errors too: see the constructor
            throw new FilterException(name, e);
        } finally {
            choice.end();
        }
        settle(seenBytes - lookbackBytes);
        while (waiting.size() > mostWaiting) {
            cutFrames++;
            decide(waiting.removeFirst());
        }
    }

    /** The stream has ended: nothing will be kept of the frames that wait but what was. */
    public void finish() {
        settle(seenBytes);
    }

    /** The next frame that goes on, or null. */
    public @Nullable LentFrame next() {
        return decided.pollFirst();
    }

    /** Whether {@link #next} has one. */
    boolean hasNext() {
        return !decided.isEmpty();
    }

    /** Lets go of every frame. */
    public void releaseAll() {
        waiting.forEach(LentFrame::release);
        waiting.clear();
        decided.forEach(LentFrame::release);
        decided.clear();
    }

    private void settle(long undecidedFrom) {
        long from = Math.max(keptEnd, undecidedFrom);
        while (!waiting.isEmpty() && waiting.getFirst().seenEnd() <= from) {
            decide(waiting.removeFirst());
        }
    }

    private void decide(LentFrame frame) {
        frame.endChoice();
        if (frame.size() == 0) {
            unannouncedLost += frame.lostBytes();
            frame.release();
        } else {
            frame.addLostBytes(unannouncedLost);
            unannouncedLost = 0;
            decided.addLast(frame);
        }
    }

    /** Ends the filter; its memory stays, for frames that are still held. */
    public void end() {
        if (!ended) {
            ended = true;
            filter.close();
        }
    }

    /** Ends the filter. Only when none of its frames is held any more may its memory go. */
    @Override
    public void close() {
        try {
            end();
        } finally {
            if (scratchMemory != null) {
                scratchMemory.close();
            }
        }
    }

    /** What the filter is handed: it speaks of places in the frame, here they are places in its whole stream. */
    private final class Choice implements Kept {

        private @Nullable LentFrame current;
        private long emitted;

        void begin(LentFrame frame) {
            current = frame;
            emitted = 0;
        }

        void end() {
            current = null;
        }

        private LentFrame current() {
            LentFrame frame = current;
            if (frame == null) {
                throw new IllegalStateException("it used a Kept after the call that this was for");
            }
            return frame;
        }

        @Override
        public void keep(long offset, long length) {
            LentFrame frame = current();
            if (offset < -lookbackBytes || length < 0 || length > frame.size() - offset) {
                throw new IllegalArgumentException("it kept the slice from " + offset + " of length " + length
                        + ", which is outside the frame of " + frame.size() + " bytes"
                        + (lookbackBytes > 0 ? " and the " + lookbackBytes + " before it" : ""));
            }
            long start = frame.seenStart() + offset;
            long end = start + length;
            if (start < keptEnd) {
                throw new IllegalArgumentException("it kept the slice from " + offset + " of length " + length
                        + ", which overlaps or precedes the one that ended at " + (keptEnd - frame.seenStart()));
            }
            keptEnd = end;
            if (offset >= 0) {
                frame.choose(offset, length);
                return;
            }
            for (LentFrame part : waiting) { // frames that went on before their time are not among them
                long from = Math.max(start, part.seenStart());
                long to = Math.min(end, part.seenEnd());
                if (from < to) {
                    part.choose(from - part.seenStart(), to - from);
                }
            }
        }

        @Override
        public MemorySegment scratch() {
            LentFrame frame = current();
            if (scratch.length == 0) {
                throw new IllegalStateException("it asked for scratch memory, but its scratchBytes is 0");
            }
            return scratch[frame.buffer()];
        }

        @Override
        public void emit(long length) {
            LentFrame frame = current();
            if (length < 0 || length > scratchBytes - emitted) {
                throw new IllegalArgumentException("it emitted " + length + " bytes after " + emitted
                        + ", but its scratchBytes is " + scratchBytes);
            }
            frame.chooseOther(readOnlyScratch[frame.buffer()], emitted, length);
            emitted += length;
            keptEnd = Math.max(keptEnd, frame.seenStart()); // what came before has gone on before
        }

        @Override
        public void tag(int number) {
            if (number < 0 || number >= LentFrame.TAGS) {
                throw new IllegalArgumentException(
                        "it set flag " + number + "; there are flags 0 to " + (LentFrame.TAGS - 1));
            }
            current().tag(number);
        }
    }
}
