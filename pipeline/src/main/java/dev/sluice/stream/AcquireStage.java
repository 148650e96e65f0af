// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.device.BufferDevice;
import dev.sluice.device.FrameBatch;
import dev.sluice.linux.Constants;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import org.apache.pekko.Done;
import org.apache.pekko.NotUsed;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.SourceShape;
import org.apache.pekko.stream.stage.AbstractGraphStageWithMaterializedValue;
import org.apache.pekko.stream.stage.AbstractOutHandler;
import org.apache.pekko.stream.stage.AsyncCallback;
import org.apache.pekko.stream.stage.GraphStageLogic;

/**
 * Source of frames: acquires from the device on demand, in batches, and waits by way of the reactor when none is filled.
 * The first demand starts the device: what nobody is there to take would only be lost or stale. Completes when the device has ended or when told to stop; frames it had acquired by then still go downstream.
 */
public final class AcquireStage
        extends AbstractGraphStageWithMaterializedValue<SourceShape<LentFrame>, AcquireStage.Control> {

    /** Frames per acquire. More amortise nothing further, and a batch is what a restart would find undone. */
    private static final int BATCH = 32;

    private final Outlet<LentFrame> out = Outlet.create("AcquireStage.out");
    private final SourceShape<LentFrame> shape = SourceShape.of(out);
    private final BufferDevice device;
    private final FramePool pool;
    private final Reactor reactor;
    private final Consumer<Throwable> failed;

    /** @param failed told that the device fails; it is for whoever runs the stream to say what becomes of that. Must not block */
    public AcquireStage(BufferDevice device, FramePool pool, Reactor reactor, Consumer<Throwable> failed) {
        this.device = device;
        this.pool = pool;
        this.reactor = reactor;
        this.failed = failed;
    }

    /** For whoever runs the stream; any thread. */
    public interface Control {
        /** Acquires no more, and halts the device, unless that outlives the process. */
        void stop();

        /** Acquires no more and leaves the device as it is, for another stage to go on with. */
        void handOver();

        /** Ends the stream with a failure: what was acquired still goes out, and no END. */
        void fail(Throwable cause);

        /**
         * Completes when the stage has stopped and will not touch the device again; fails if neither its device, nor who
         * takes its frames, nor anybody who may have told it to.
         */
        CompletionStage<Done> ended();
    }

    @Override
    public SourceShape<LentFrame> shape() {
        return shape;
    }

    @Override
    public Pair<GraphStageLogic, Control> createLogicAndMaterializedValuePair(Attributes inherited) {
        Logic logic = new Logic();
        return Pair.create(logic, logic);
    }

    private final class Logic extends GraphStageLogic implements Control {

        private final CompletableFuture<Done> ended = new CompletableFuture<>();
        private final FrameBatch batch = new FrameBatch(Math.min(BATCH, device.bufferCount()));
        private final AsyncCallback<NotUsed> onStop = createAsyncCallback(ignored -> stopAcquiring());
        private final AsyncCallback<NotUsed> onHandOver = createAsyncCallback(ignored -> leave());
        private final AsyncCallback<NotUsed> onReady = createAsyncCallback(ignored -> acquireIfWanted());
        private final AsyncCallback<Throwable> onFail = createAsyncCallback(this::failNow);
        private final Reactor.Registration registration =
                reactor.register(device.readyFd(), events -> onReady.invoke(NotUsed.getInstance()));
        private int nextInBatch;
        private boolean stopped;
        private boolean deviceFailed;
        private boolean toldTo;
        private boolean handedOver;

        Logic() {
            super(shape);
            setHandler(out, new AbstractOutHandler() {
                @Override
                public void onPull() {
                    acquireIfWanted();
                }

                @Override
                public void onDownstreamFinish(Throwable cause) throws Exception {
                    toldTo = true;
                    super.onDownstreamFinish(cause);
                }
            });
        }

        @Override
        public void stop() {
            onStop.invoke(NotUsed.getInstance());
        }

        @Override
        public void handOver() {
            onHandOver.invoke(NotUsed.getInstance());
        }

        @Override
        public CompletionStage<Done> ended() {
            return ended;
        }

        @Override
        public void fail(Throwable cause) {
            onFail.invoke(cause);
        }

        private void failNow(Throwable cause) {
            toldTo = true;
            failStage(cause);
        }

        /** What was acquired before the device failed is left to be taken. */
        private void acquireIfWanted() {
            try {
                if (isAvailable(out) && !deviceFailed) {
                    acquire();
                }
            } catch (IOException | RuntimeException e) {
                if (stopped) {
                    failNow(e);
                    return;
                }
                deviceFailed = true;
                failed.accept(e);
            }
        }

        private void acquire() throws IOException {
            pool.start();
            if (nextInBatch == batch.size() && !stopped) {
                pool.flush();
                batch.clear(); // also if the device fails before it does: those it has are lent
                nextInBatch = 0;
                device.acquire(batch);
            }
            if (nextInBatch < batch.size()) {
                push(out, pool.lend(batch, nextInBatch++));
            } else if (stopped || device.ended()) {
                completeNow();
            } else {
                registration.arm(Constants.EPOLLIN);
            }
        }

        private void stopAcquiring() {
            handedOver = false;
            device.stop();
            end();
        }

        private void leave() {
            handedOver = !stopped;
            end();
        }

        private void end() {
            stopped = true;
            deviceFailed = false;
            if (nextInBatch == batch.size()) {
                completeNow();
            }
        }

        private void completeNow() {
            toldTo = true;
            complete(out);
        }

        /** Frames of the batch that nobody took are found, and given back, when the pool is reclaimed. */
        @Override
        public void postStop() {
            registration.close();
            if (!handedOver && toldTo) {
                device.stop();
            }
            while (nextInBatch < batch.size()) {
                pool.lend(batch, nextInBatch++);
            }
            if (toldTo) {
                ended.complete(Done.getInstance());
            } else {
                ended.completeExceptionally(new StoppedException());
            }
        }
    }
}
