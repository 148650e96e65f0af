// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

/**
 * Frames of one stream that a sink was given and is not done with, oldest first: those that the connection that there is now
 * has taken and the receiver has not acknowledged, and behind them those that wait to be handed over. Owned by the stream's
 * thread.
 */
final class FrameQueue {

    private final LentFrame[] ring;
    private int oldest;
    private int count;

    /** How many of them, from the oldest on, were handed over to the connection that there is now. */
    private int sent;

    /** Of those that were not. */
    private long waitingBytes;

    /** @param most frames at once: as many as the source has buffers */
    FrameQueue(int most) {
        ring = new LentFrame[most];
    }

    boolean isEmpty() {
        return count == 0;
    }

    int count() {
        return count;
    }

    LentFrame oldest() {
        return ring[oldest];
    }

    /** Whether the oldest was handed over to the connection that there is now. */
    boolean oldestIsSent() {
        return sent > 0;
    }

    LentFrame removeOldest() {
        LentFrame frame = ring[oldest];
        if (sent > 0) {
            sent--;
        } else {
            waitingBytes -= frame.size();
        }
        oldest = (oldest + 1) % ring.length;
        count--;
        return frame;
    }

    /** Behind all others, to be handed over. */
    void add(LentFrame frame) {
        ring[(oldest + count) % ring.length] = frame;
        count++;
        waitingBytes += frame.size();
    }

    void clear() {
        count = 0;
        sent = 0;
        waitingBytes = 0;
    }

    /** The connection is another one, which was given nothing yet. */
    void rewind() {
        for (; sent > 0; sent--) {
            waitingBytes += at(sent - 1).size();
        }
    }

    /** How many wait to be handed over. */
    int waiting() {
        return count - sent;
    }

    long waitingBytes() {
        return waitingBytes;
    }

    /** One of these, from 0. */
    LentFrame waiting(int index) {
        return at(sent + index);
    }

    /** The first of them was handed over, and is waited for to be acknowledged. */
    void handedOver() {
        waitingBytes -= at(sent).size();
        sent++;
    }

    private LentFrame at(int index) {
        return ring[(oldest + index) % ring.length];
    }
}
