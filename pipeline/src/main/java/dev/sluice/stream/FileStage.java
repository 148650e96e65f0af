// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.metrics.SinkCounters;
import dev.sluice.topology.Topology;
import dev.sluice.transport.RotatingFile;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Header;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.Done;
import org.apache.pekko.NotUsed;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.SinkShape;
import org.apache.pekko.stream.stage.AbstractGraphStageWithMaterializedValue;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.AsyncCallback;
import org.apache.pekko.stream.stage.GraphStageLogic;
import org.apache.pekko.stream.stage.TimerGraphStageLogic;
import org.jspecify.annotations.Nullable;

/**
 * Writes frames to a file, by way of a {@link FileWriter}, and releases each when it has been written. A few are with the
 * writer at a time, so that the disk need not wait for the stream; all others wait in the device.
 *
 * <pre>
 *   STREAMING ──upstream ends or fails, a write fails──▶ WRITING what the writer has ──▶ CLOSING ──▶ done
 *       └──────────────drain time-out────────┴──────────────────────────────────────────────▲
 * </pre>
 *
 * <p>The materialized value's future fails if a frame was not written, unless the sink may drop frames and the disk was
 * full.
 */
public final class FileStage extends AbstractGraphStageWithMaterializedValue<SinkShape<LentFrame>, SinkControl> {

    /**
     * Frames with the writer: one that is written, and some for while the word of it is on its way to the stream and
     * back. More would only be missing from the device.
     */
    private static final int MOST_IN_FLIGHT = 4;

    private final Inlet<LentFrame> in = Inlet.create("FileStage.in");
    private final SinkShape<LentFrame> shape = SinkShape.of(in);
    private final Topology.FileSink sink;
    private final RotatingFile file;
    private final List<SinkStream> streams;
    private final SinkCounters counters;
    private final Duration drainTimeout;

    /**
     * @param file is the stage's from now on
     * @param streams those whose frames come in, by the numbers that the frames are marked with
     * @param drainTimeout how long the rest may take once the stream is told to drain, or fails
     */
    public FileStage(
            Topology.FileSink sink,
            RotatingFile file,
            List<SinkStream> streams,
            SinkCounters counters,
            Duration drainTimeout) {
        this.sink = sink;
        this.file = file;
        this.streams = streams;
        this.counters = counters;
        this.drainTimeout = drainTimeout;
        counters.toFile(true);
    }

    @Override
    public SinkShape<LentFrame> shape() {
        return shape;
    }

    @Override
    public Pair<GraphStageLogic, SinkControl> createLogicAndMaterializedValuePair(Attributes inherited) {
        Logic logic = new Logic();
        return Pair.create(logic, logic);
    }

    private final class Logic extends TimerGraphStageLogic implements SinkControl {

        private static final String GIVE_UP = "give up";

        private final CompletableFuture<Done> ended = new CompletableFuture<>();
        private final AsyncCallback<NotUsed> onDrain = createAsyncCallback(ignored -> limitRest());
        private final AsyncCallback<NotUsed> onHandOver = createAsyncCallback(ignored -> beginHandOver());
        private final AsyncCallback<FileWriter.Job> onTold = createAsyncCallback(this::told);
        private final FileWriter writer = new FileWriter(sink, file, streams, onTold::invoke);

        private final ArrayDeque<FileWriter.Job> idle = new ArrayDeque<>();
        private final ArrayDeque<FileWriter.Job> inFlight = new ArrayDeque<>();
        private boolean handingOver;
        private boolean closing;
        private boolean closed;
        private boolean limited;
        private @Nullable Throwable failure;

        Logic() {
            super(shape);
            int most = MOST_IN_FLIGHT;
            for (SinkStream stream : streams) {
                most = Math.min(most, stream.pool().size() / 2); // the engine needs some, too
            }
            for (int i = 0; i < Math.max(1, most); i++) {
                idle.addLast(new FileWriter.Job());
            }
            setHandler(in, new AbstractInHandler() {
                @Override
                public void onPush() {
                    FileWriter.Job job = idle.removeFirst();
                    job.frame(grab(in), sink.framing());
                    submit(job);
                    proceed();
                }

                @Override
                public void onUpstreamFinish() {
                    proceed();
                }

                // What was acquired before is still written, but no END: a reader shall not take it for all.
                @Override
                public void onUpstreamFailure(Throwable cause) {
                    failure = cause;
                    limitRest();
                    proceed();
                }
            });
        }

        @Override
        public void preStart() {
            setKeepGoing(true);
            writer.start();
            proceed();
        }

        @Override
        public void handOver() {
            onHandOver.invoke(NotUsed.getInstance());
        }

        @Override
        public void drain() {
            onDrain.invoke(NotUsed.getInstance());
        }

        @Override
        public CompletionStage<Done> ended() {
            return ended;
        }

        /** Once: being told to drain again gives no more time. */
        private void limitRest() {
            if (!limited) {
                limited = true;
                scheduleOnce(GIVE_UP, drainTimeout);
            }
        }

        private void beginHandOver() {
            handingOver = true;
            limitRest();
        }

        private void submit(FileWriter.Job job) {
            inFlight.addLast(job);
            writer.submit(job);
        }

        /** Asks for another frame if the writer can take one; at the end, closes the file behind the last. */
        private void proceed() {
            flush();
            if (!isClosed(in)) {
                if (!idle.isEmpty() && !hasBeenPulled(in)) {
                    pull(in);
                }
            } else if (inFlight.isEmpty() && !closing) {
                closing = true;
                FileWriter.Job last = idle.removeFirst();
                if (handingOver && failure == null) {
                    last.leave();
                } else {
                    last.last(sink.framing() == Framing.SLUICE && failure == null ? endHeaders() : List.of());
                }
                submit(last);
            }
        }

        private List<ByteBuffer> endHeaders() {
            List<ByteBuffer> encoded = new ArrayList<>();
            for (SinkStream stream : streams) {
                MemorySegment memory = Arena.ofAuto().allocate(Header.BYTES, Long.BYTES);
                StreamHeaders.end(new Header(memory), stream);
                encoded.add(memory.asByteBuffer());
            }
            return encoded;
        }

        /** Gives back what was released, by whoever, before this stage waits. */
        private void flush() {
            for (SinkStream stream : streams) {
                try {
                    stream.pool().flush();
                } catch (IOException e) {
                    fail(e);
                }
            }
        }

        private void told(FileWriter.Job job) {
            inFlight.remove(job);
            idle.addLast(job);
            LentFrame frame = job.frame();
            if (frame != null) {
                count(job, frame);
                frame.release();
            }
            counters.diskFull.add(job.foundFull() ? 1 : 0);
            counters.send.sent.add(job.directBytes() + job.bufferedBytes());
            counters.send.byReference.add(job.directBytes());
            counters.send.plain.add(job.bufferedBytes());
            if (job.bufferedBytes() > 0 && counters.send.plainReason().isEmpty()) {
                counters.send.plainReason(bufferedReason());
            }
            Throwable cause = job.failure();
            if (cause != null) {
                fail(cause);
            }
            if (job.last()) {
                closed = true;
                completeStage();
            } else {
                proceed();
            }
        }

        private void count(FileWriter.Job job, LentFrame frame) {
            SinkStream stream = streams.get(frame.stream());
            switch (job.outcome()) {
                case WRITTEN -> {
                    counters.kept.add(frame.size());
                    counters.framesSent.add(1);
                    stream.announced(job.announcedBytes());
                }
                case DROPPED -> {
                    counters.framesDropped.add(1);
                    counters.dropped.add(frame.size());
                    stream.dropped(frame.size());
                }
                case FAILED -> counters.kept.add(frame.size());
            }
        }

        private String bufferedReason() {
            if (!sink.file().direct()) {
                return "direct = false";
            }
            if (!file.bufferedReason().isEmpty()) {
                return file.bufferedReason();
            }
            return sink.framing() == Framing.SLUICE
                    ? "with framing = sluice the headers leave no frame aligned, as O_DIRECT needs it"
                    : "frames that are no multiple of the file system's block, or come behind one, are not aligned as "
                            + "O_DIRECT needs it";
        }

        /** Nothing more is written. With the cause, so that all that shares a source with this sink ends, too. */
        private void fail(Throwable cause) {
            if (failure == null) {
                failure = cause;
                if (!isClosed(in)) {
                    cancel(in, cause);
                }
                limitRest();
            }
        }

        @Override
        public void onTimer(Object key) {
            if (failure == null) {
                String what = closing
                        ? "was not closed: the page cache was not written to the disk"
                        : "did not take the last " + inFlight.size() + " frames";
                failure = new IOException("gave up draining after " + drainTimeout.toMillis() + " ms: "
                        + sink.file().path() + " " + what);
            }
            completeStage();
        }

        /** Also after an abnormal end. A buffer that is being written is kept from the device for good. */
        @Override
        public void postStop() {
            if (!closed) {
                List<FileWriter.Job> untouched = writer.abandon();
                for (FileWriter.Job job : inFlight) {
                    LentFrame frame = job.frame();
                    if (frame != null && !job.done() && !untouched.contains(job)) {
                        frame.lent().pool().keepFromDevice(frame);
                    }
                }
            }
            if (failure == null) {
                ended.complete(Done.getInstance());
            } else {
                ended.completeExceptionally(failure);
            }
        }
    }
}
