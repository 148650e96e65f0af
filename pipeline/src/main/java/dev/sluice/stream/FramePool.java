// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.device.BufferDevice;
import dev.sluice.device.FrameBatch;
import dev.sluice.metrics.PipelineCounters;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The frames of one device, and the user-space half of the ownership rule: a buffer goes back when the last one who reads
 * it has let go. Releases are collected and passed to the device by {@link #flush}, which everyone who is about to wait
 * calls first. Owned by the stream's thread; after the stream has stopped, by whoever {@linkplain #reclaim reclaims}.
 */
public final class FramePool {

    private static final Logger LOG = LoggerFactory.getLogger(FramePool.class);

    private final BufferDevice device;
    private final PipelineCounters counters;
    private final LentFrame[] frames;
    private final boolean[] stuck;
    private final int[] released;
    private int releasedCount;
    private long sourcePosition;
    private long nextSequence;
    private long lostBytes;

    public FramePool(BufferDevice device, PipelineCounters counters) {
        this.device = device;
        this.counters = counters;
        frames = new LentFrame[device.bufferCount()];
        for (int buffer = 0; buffer < frames.length; buffer++) {
            frames[buffer] = new LentFrame(buffer, device.memory());
        }
        stuck = new boolean[frames.length];
        released = new int[frames.length];
    }

    /** Number of buffers, which are named from 0. */
    int size() {
        return frames.length;
    }

    LentFrame frame(int buffer) {
        return frames[buffer];
    }

    /** The frame that an acquire has just returned, held once. */
    LentFrame lend(FrameBatch batch, int index) {
        LentFrame frame = frames[batch.buffer(index)];
        long position = sourcePosition + batch.lostBytes(index);
        frame.lend(
                batch.offset(index),
                batch.bytes(index),
                batch.sequence(index),
                batch.timeNanos(index),
                position,
                batch.lostBytes(index),
                System.nanoTime());
        sourcePosition = position + batch.bytes(index);
        nextSequence = batch.sequence(index) + 1;
        lostBytes += batch.lostBytes(index);
        counters.frames.add(1);
        counters.acquired.add(batch.bytes(index));
        return frame;
    }

    /** Position in the source's stream after the last frame acquired. */
    long sourcePosition() {
        return sourcePosition;
    }

    /** Sequence of the frame after the last one acquired. */
    long nextSequence() {
        return nextSequence;
    }

    /** Bytes that the source lost before the frames acquired. */
    long lostBytes() {
        return lostBytes;
    }

    /** One reader of the frame has let go of it. */
    void release(LentFrame frame) {
        if (frame.letGo()) {
            counters.holdTimes.record(System.nanoTime() - frame.lentAtNanos());
            released[releasedCount++] = frame.buffer();
        }
    }

    /** Gives the device all that was released. */
    void flush() throws IOException {
        if (releasedCount > 0) {
            int count = releasedCount;
            releasedCount = 0;
            try {
                device.release(released, count);
            } catch (IOException e) {
                releaseSingly(count);
                throw e;
            }
        }
    }

    /** After one buffer was refused: those behind it were not looked at, and none of them shall be lost for that. */
    private void releaseSingly(int count) {
        int[] one = new int[1];
        for (int i = 0; i < count; i++) {
            one[0] = released[i];
            try {
                device.release(one, 1);
            } catch (IOException e) {
                LOG.debug("not released again: {}", e.getMessage());
            }
        }
    }

    /** The kernel may read this buffer for longer than anybody waits: it is never given back. */
    void keepFromDevice(int buffer) {
        if (!stuck[buffer]) {
            stuck[buffer] = true;
            counters.stuckBuffers.add(1);
        }
    }

    /**
     * After the stream has stopped, however it did: releases every frame that a stage still held, so that no buffer is
     * lost, and leaves out those that the kernel holds.
     *
     * @return how many frames were acquired and not sent
     */
    public int reclaim() throws IOException {
        int left = 0;
        for (LentFrame frame : frames) {
            if (frame.held() && !stuck[frame.buffer()]) {
                left++;
                while (frame.held()) {
                    release(frame);
                }
            }
        }
        flush();
        return left;
    }
}
