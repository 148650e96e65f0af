// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

/**
 * One of the streams that a sink takes: frames of one source by one way. What a receiver must know at its end is counted
 * here. Owned by the stream's thread.
 */
public final class SinkStream {

    private final FramePool pool;
    private final int id;
    private long droppedBytes;
    private long announcedBytes;

    /**
     * Begins with the next frame of the source: what was lost before is no loss of this stream.
     *
     * @param id its number in headers
     */
    public SinkStream(FramePool pool, int id) {
        this.pool = pool;
        this.id = id;
        this.announcedBytes = pool.lostBytes();
    }

    FramePool pool() {
        return pool;
    }

    int id() {
        return id;
    }

    /** The sink was full: so many bytes that it should have had it did not get. */
    void dropped(long bytes) {
        droppedBytes += bytes;
    }

    /** A header that carried so many lost bytes went out. */
    void announced(long lostBytes) {
        announcedBytes += lostBytes;
    }

    /** Lost at the source or dropped, and in no header so far. */
    long unannouncedBytes() {
        return pool.lostBytes() + droppedBytes - announcedBytes;
    }
}
