// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import dev.sluice.metrics.DeviceCounts;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * One DMA channel with its buffers, or a stand-in for it: the device contract ({@code read}, {@code write}, {@code poll},
 * {@code mmap} of {@code /dev/sluiceN}) as Java calls. Nothing here blocks.
 */
public interface BufferDevice extends AutoCloseable {

    /** How messages name it. */
    String name();

    /** Number of buffers: as many frames can be lent at once. Buffers are named 0 to count - 1. */
    int bufferCount();

    /** The most bytes a frame can have. */
    long bufferBytes();

    /** The memory that frames lie in, page-backed, mapped until {@link #close}. */
    MemorySegment memory();

    /**
     * Whether a buffer may be released while somebody still reads it: whoever fills it looks first, or nobody ever does.
     */
    default boolean releasesEarly() {
        return false;
    }

    /** Whether a buffer that is registered with io_uring can be armed again: whoever fills it can tell that from its use. */
    default boolean isRegistrable() {
        return true;
    }

    /** A descriptor that polls as readable while {@link #acquire} has something to say, once it said 0. */
    int readyFd();

    /** Arms all buffers and lets the DMA engine run. */
    void start() throws IOException;

    /**
     * Halts the DMA engine. Frames already filled can still be acquired; what is released is not armed again. One that
     * {@linkplain #outlivesProcess outlives the process} goes on: what it fills is the next process's.
     */
    void stop();

    /**
     * Lends the oldest filled buffers, as many as the batch holds.
     *
     * @return how many; 0 if none is filled at the moment, or none ever will be: see {@link #ended}
     */
    int acquire(FrameBatch into) throws IOException;

    /** True once every frame has been acquired and there will be no more. */
    boolean ended();

    /**
     * Gives buffers back, to be armed again. The caller answers for it that nobody reads them any more.
     *
     * @param buffers names of buffers, the first {@code count} of the array
     * @throws IOException if one of them is not lent; those before it are released, none after it
     */
    void release(int[] buffers, int count) throws IOException;

    /**
     * Which stream of bytes {@linkplain FrameBatch#position positions} and sequences count in. Devices of the same identity,
     * also those of different processes, have the same byte at the same position. The driver's is its ring's: it stays
     * while the ring is kept. A file's that is replayed is made of what the file is: each replay begins at its start.
     * All others' are random.
     */
    long identity();

    /**
     * Where the first frame that this process acquires begins, or what was lost before it: 0, unless an {@linkplain
     * #outlivesProcess earlier process} had what was before.
     */
    long firstPosition();

    /** Sequence of the first frame that this process acquires. */
    long firstSequence();

    /**
     * Whether the engine goes on filling buffers when this device is closed, or its process dies, and what is lent then is
     * acquired again by the next process that opens it.
     */
    boolean outlivesProcess();

    /** What is where, and totals so far. */
    DeviceCounts counts();

    /** Unmaps the memory and frees the device. */
    @Override
    void close();
}
