// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.topology.Topology;
import dev.sluice.topology.WhenFull;
import dev.sluice.transport.RotatingFile;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Header;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The thread of one file sink, which alone touches the file and may wait for the disk for as long as that takes. It is
 * given jobs, does them in order, and tells of each. It is never interrupted, since that would close the file.
 *
 * <p>A {@link Job} is the stage's until it is submitted, the thread's until it is told of, and then the stage's again; so
 * are the frame in it and the memory of that. Both hand-overs are a queue's, which orders what one wrote before what the
 * other reads.
 */
final class FileWriter {

    /** From one look at a full disk to the next: freeing space takes people seconds. */
    private static final long LOOK_AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

    private static final Logger LOG = LoggerFactory.getLogger(FileWriter.class);

    /** What became of a job. */
    enum Outcome {
        WRITTEN,
        /** The disk is full, and the sink may drop. */
        DROPPED,
        FAILED
    }

    /** One frame to be written, or the end of the file. One object per frame in flight, reused. */
    static final class Job {

        private final Header header;
        private final ByteBuffer headerBytes;

        // Set by the stage.
        private @Nullable LentFrame frame;
        private boolean last;
        private boolean leaves;
        private ByteBuffer[] pieces = new ByteBuffer[8];
        private int count;

        // Set by the thread.
        private Outcome outcome = Outcome.FAILED;
        private @Nullable Throwable failure;
        private boolean foundFull;
        private long announcedBytes;
        private long directBytes;
        private long bufferedBytes;

        /** The last the thread does with it, but tell; for one who does not wait to be told. */
        private volatile boolean done;

        Job() {
            MemorySegment memory = Arena.ofAuto().allocate(Header.BYTES, Long.BYTES);
            header = new Header(memory);
            headerBytes = memory.asByteBuffer();
        }

        /** Becomes the job to write a frame. */
        void frame(LentFrame written, Framing framing) {
            begin(written, false);
            if (framing == Framing.SLUICE) {
                add(headerBytes);
            }
            for (int slice = 0; slice < written.sliceCount(); slice++) {
                add(written.memory(slice)
                        .asSlice(written.sliceOffset(slice), written.sliceLength(slice))
                        .asByteBuffer());
            }
        }

        /** Becomes the job to close the file, behind the END headers if there are any. */
        void last(List<ByteBuffer> endHeaders) {
            begin(null, true);
            endHeaders.forEach(this::add);
        }

        /** Becomes the job to end and leave the file as it is, for another to go on with. */
        void leave() {
            begin(null, true);
            leaves = true;
        }

        private void begin(@Nullable LentFrame written, boolean isLast) {
            leaves = false;
            frame = written;
            last = isLast;
            count = 0;
            outcome = Outcome.FAILED;
            failure = null;
            foundFull = false;
            announcedBytes = 0;
            directBytes = 0;
            bufferedBytes = 0;
            done = false;
        }

        private void add(ByteBuffer piece) {
            if (count == pieces.length) {
                pieces = Arrays.copyOf(pieces, count * 2);
            }
            pieces[count++] = piece;
        }

        @Nullable
        LentFrame frame() {
            return frame;
        }

        boolean last() {
            return last;
        }

        Outcome outcome() {
            return outcome;
        }

        @Nullable
        Throwable failure() {
            return failure;
        }

        /** Whether the disk was found full with this one, after there had been room. */
        boolean foundFull() {
            return foundFull;
        }

        /** Lost bytes that its header told of. */
        long announcedBytes() {
            return announcedBytes;
        }

        long directBytes() {
            return directBytes;
        }

        long bufferedBytes() {
            return bufferedBytes;
        }

        boolean done() {
            return done;
        }
    }

    private final String sink;
    private final RotatingFile file;
    private final Framing framing;
    private final boolean drops;
    private final List<SinkStream> streams;
    private final Consumer<Job> told;
    private final LinkedBlockingQueue<Job> jobs = new LinkedBlockingQueue<>();
    private volatile boolean abandoned;

    // Of the thread.
    private final long[] carry;
    private boolean broken;
    private boolean full;
    private long lookAgainNanos;

    /** @param told gets each job when it is done, on the thread that writes; must not block */
    FileWriter(Topology.FileSink sink, RotatingFile file, List<SinkStream> streams, Consumer<Job> told) {
        this.sink = sink.name();
        this.file = file;
        this.framing = sink.framing();
        this.drops = sink.input().whenFull() != WhenFull.BLOCK;
        this.streams = streams;
        this.told = told;
        this.carry = new long[streams.size()];
    }

    /** A daemon: a disk that hangs shall not keep the process. */
    void start() {
        Thread.ofPlatform().name("file-" + sink).daemon().start(this::run);
    }

    void submit(Job job) {
        jobs.add(job);
    }

    /**
     * Nobody waits any more: what was not begun is not done, and nothing is told. The file is closed when the thread comes
     * back from what it is doing.
     *
     * @return the jobs that were not begun
     */
    List<Job> abandon() {
        List<Job> untouched = new ArrayList<>();
        abandoned = true;
        jobs.drainTo(untouched);
        Job close = new Job();
        close.last(List.of());
        jobs.add(close);
        return untouched;
    }

    private void run() {
        boolean open = true;
        while (open) {
            Job job = next();
            try {
                if (job.last()) {
                    open = false;
                    finish(job);
                } else {
                    write(job);
                }
                job.outcome = job.outcome == Outcome.DROPPED ? Outcome.DROPPED : Outcome.WRITTEN;
            } catch (IOException | RuntimeException | Error e) {
                broken = true;
                job.failure = e;
            }
            job.done = true;
            if (!abandoned) {
                told.accept(job);
            }
        }
    }

    private Job next() {
        while (true) {
            try {
                return jobs.take();
            } catch (InterruptedException e) {
                LOG.debug("an interrupt is none of this thread's business", e);
            }
        }
    }

    private void write(Job job) throws IOException {
        LentFrame frame = job.frame();
        if (frame == null || broken) {
            throw new IOException(file.path() + " was given up after an error");
        }
        if (full && System.nanoTime() - lookAgainNanos < 0) {
            drop(job, frame);
            return;
        }
        int stream = frame.stream();
        long lost = frame.lostBytes() + carry[stream];
        if (framing == Framing.SLUICE) {
            StreamHeaders.frame(job.header, frame, streams.get(stream), lost);
        }
        try {
            put(job);
        } catch (RotatingFile.DiskFullException e) {
            job.foundFull = !full;
            if (!drops) {
                throw e;
            }
            if (!full) {
                LOG.error("{}: {}; until there is room, frames are dropped", sink, e.getMessage());
            }
            full = true;
            lookAgainNanos = System.nanoTime() + LOOK_AGAIN_NANOS;
            drop(job, frame);
            return;
        }
        if (full) {
            full = false;
            LOG.info("{}: {}: there is room again", sink, file.path());
        }
        job.announcedBytes = lost;
        carry[stream] = 0;
    }

    private void put(Job job) throws IOException {
        long direct = file.directBytes().value();
        long buffered = file.bufferedBytes().value();
        file.write(job.pieces, job.count);
        job.directBytes = file.directBytes().value() - direct;
        job.bufferedBytes = file.bufferedBytes().value() - buffered;
    }

    private void drop(Job job, LentFrame frame) {
        job.outcome = Outcome.DROPPED;
        carry[frame.stream()] += frame.size() + frame.lostBytes();
    }

    /** A sink that may drop may drop the END headers, too: then who reads the file is not told that it is whole. */
    private void finish(Job job) throws IOException {
        if (job.leaves && !broken) {
            return;
        }
        try {
            if (!broken) {
                put(job);
            }
        } catch (RotatingFile.DiskFullException e) {
            job.foundFull = !full;
            if (!drops) {
                throw e;
            }
            LOG.error("{}: {}; the END headers are missing", sink, e.getMessage());
        } finally {
            file.close();
        }
    }
}
