// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.device.BufferDevice;
import dev.sluice.device.FrameBatch;
import dev.sluice.metrics.SourceCounters;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The buffers of one device, and the user-space half of the ownership rule: a buffer goes back when the last one who reads
 * it has let go. Releases are collected and passed to the device by {@link #flush}, which everyone who is about to wait
 * calls first. Owned by the stream's thread; after the stream has stopped, by whoever {@linkplain #reclaim reclaims}.
 */
public final class FramePool {

    private static final Logger LOG = LoggerFactory.getLogger(FramePool.class);

    private final BufferDevice device;
    private final SourceCounters counters;
    private final LentBuffer[] buffers;
    private final LentFrame[] trunk;
    private final boolean[] stuck;
    private final int[] released;
    private int releasedCount;
    private boolean started;
    private boolean readForGood;
    private long sourcePosition;
    private long nextSequence;
    private long lostBytes;

    public FramePool(BufferDevice device, SourceCounters counters) {
        this.device = device;
        this.counters = counters;
        sourcePosition = device.firstPosition();
        nextSequence = device.firstSequence();
        buffers = new LentBuffer[device.bufferCount()];
        for (int buffer = 0; buffer < buffers.length; buffer++) {
            buffers[buffer] = new LentBuffer(this, buffer, device.memory());
        }
        trunk = branch();
        stuck = new boolean[buffers.length];
        released = new int[buffers.length];
    }

    /** Of the stream of bytes that positions count in. */
    long identity() {
        return device.identity();
    }

    /** Whether the source goes on when this process ends, for another one: its stream has no end here then. */
    boolean outlivesProcess() {
        return device.outlivesProcess();
    }

    /** Number of buffers, which are named from 0. */
    public int size() {
        return buffers.length;
    }

    /** The most bytes that a frame can have. */
    public long mostFrameBytes() {
        return device.bufferBytes();
    }

    /** Lets the device run, once. */
    void start() throws IOException {
        if (!started) {
            started = true;
            device.start();
        }
    }

    /** Frames for one more branch, one for each buffer. */
    LentFrame[] branch() {
        LentFrame[] frames = new LentFrame[buffers.length];
        for (int buffer = 0; buffer < frames.length; buffer++) {
            frames[buffer] = new LentFrame(buffers[buffer]);
        }
        return frames;
    }

    /** The frame that an acquire has just returned, held once. */
    public LentFrame lend(FrameBatch batch, int index) {
        int buffer = batch.buffer(index);
        long position = batch.position(index);
        // Of a ring that an earlier process had, frames that it had done with are missing between those it had not.
        long lost = position - sourcePosition;
        buffers[buffer].lend(
                batch.offset(index),
                batch.bytes(index),
                batch.sequence(index),
                batch.timeNanos(index),
                position,
                System.nanoTime());
        sourcePosition = position + batch.bytes(index);
        nextSequence = batch.sequence(index) + 1;
        lostBytes += lost;
        counters.frames.add(1);
        counters.acquired.add(batch.bytes(index));
        trunk[buffer].begin(lost);
        return trunk[buffer];
    }

    /** Position in the source's stream after the last frame acquired; before the first one, where that goes on. */
    long sourcePosition() {
        return sourcePosition;
    }

    /** Sequence of the frame after the last one acquired, or of the first. */
    long nextSequence() {
        return nextSequence;
    }

    /** Bytes that the source lost before the frames acquired. */
    long lostBytes() {
        return lostBytes;
    }

    /** One reader of the frame's buffer has let go of it. */
    void release(LentFrame frame) {
        LentBuffer buffer = frame.lent();
        if (buffer.letGo()) {
            counters.holdTimes.record(System.nanoTime() - buffer.lentAtNanos());
            released[releasedCount++] = buffer.index();
        }
    }

    /** Gives the device all that was released. */
    public void flush() throws IOException {
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
    void keepFromDevice(LentFrame frame) {
        int buffer = frame.buffer();
        if (!stuck[buffer]) {
            stuck[buffer] = true;
            counters.stuckBuffers.add(1);
        }
    }

    /** Somebody in this process may read this buffer for ever: it is never given back, and its memory stays mapped. */
    void keepForGood(LentFrame frame) {
        readForGood = true;
        keepFromDevice(frame);
    }

    /** Whether the device must stay open, since somebody may still read its memory. */
    public boolean readForGood() {
        return readForGood;
    }

    /**
     * After the stream has stopped for good, before the device is closed: as {@link #reclaim}, but frames of a device that
     * outlives the process stay lent, so that the next process is offered them again.
     *
     * @return how many frames were acquired and not sent
     */
    public int leave() throws IOException {
        if (!device.outlivesProcess()) {
            return reclaim();
        }
        flush();
        int left = 0;
        for (LentBuffer buffer : buffers) {
            left += buffer.held() && !stuck[buffer.index()] ? 1 : 0;
        }
        return left;
    }

    /**
     * After the stream has stopped, however it did: releases every buffer that a stage still held, so that none is lost,
     * and leaves out those that the kernel holds.
     *
     * @return how many frames were acquired and not sent
     */
    public int reclaim() throws IOException {
        int left = 0;
        for (LentBuffer buffer : buffers) {
            if (buffer.held() && !stuck[buffer.index()]) {
                left++;
                while (buffer.held()) {
                    release(trunk[buffer.index()]);
                }
            }
        }
        flush();
        return left;
    }
}
