// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.SubscriptionWithCancelException;
import org.apache.pekko.stream.UniformFanOutShape;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.AbstractOutHandler;
import org.apache.pekko.stream.stage.AsyncCallback;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;
import org.apache.pekko.stream.stage.TimerGraphStageLogic;
import org.jspecify.annotations.Nullable;

/**
 * Fan-out to the receivers of one sink: every frame goes to those that are connected when it does. The slowest of them
 * sets the pace. While none is connected one frame waits here, and all others in the device.
 */
final class ReceiversStage extends GraphStage<UniformFanOutShape<LentFrame, LentFrame>> {

    private final Inlet<LentFrame> in = Inlet.create("ReceiversStage.in");
    private final List<Outlet<LentFrame>> outs = new ArrayList<>();
    private final UniformFanOutShape<LentFrame, LentFrame> shape;
    private final Receivers receivers;
    private final List<SinkStream> streams;
    private final Duration drainTimeout;
    private final StageLife life;

    /** By slot and stream: a frame for each buffer. */
    private final LentFrame[][][] branches;

    /**
     * @param streams those whose frames come in, by the numbers that the frames are marked with
     * @param drainTimeout how long a frame may wait for receivers once the stream has failed
     */
    @SuppressWarnings({"unchecked", "rawtypes"}) // an array of a generic type, for Pekko's constructor
    ReceiversStage(Receivers receivers, List<SinkStream> streams, Duration drainTimeout, StageLife life) {
        this.life = life;
        this.receivers = receivers;
        this.streams = streams;
        this.drainTimeout = drainTimeout;
        branches = new LentFrame[receivers.most()][streams.size()][];
        for (int slot = 0; slot < branches.length; slot++) {
            outs.add(Outlet.create("ReceiversStage.out" + slot));
            for (int stream = 0; stream < streams.size(); stream++) {
                branches[slot][stream] = streams.get(stream).pool().branch();
            }
        }
        shape = new UniformFanOutShape<>(in, outs.toArray(new Outlet[0]));
    }

    @Override
    public UniformFanOutShape<LentFrame, LentFrame> shape() {
        return shape;
    }

    @Override
    public GraphStageLogic createLogic(Attributes inherited) {
        return new Logic();
    }

    private final class Logic extends TimerGraphStageLogic {

        private static final String GIVE_UP = "give up";

        private int open = outs.size();
        private @Nullable LentFrame waiting;
        private @Nullable Throwable failure;

        Logic() {
            super(shape);
            life.begins();
            setHandler(in, new AbstractInHandler() {
                @Override
                public void onPush() {
                    waiting = grab(in);
                    proceed();
                }

                @Override
                public void onUpstreamFinish() {
                    endIfNothingWaits();
                }

                // What was acquired before goes out, if the receivers take it soon.
                @Override
                public void onUpstreamFailure(Throwable cause) {
                    failure = cause;
                    scheduleOnce(GIVE_UP, drainTimeout);
                    endIfNothingWaits();
                }
            });
            for (Outlet<LentFrame> out : outs) {
                setHandler(out, new AbstractOutHandler() {
                    @Override
                    public void onPull() {
                        proceed();
                    }

                    @Override
                    public void onDownstreamFinish(Throwable cause) {
                        if (!(cause instanceof SubscriptionWithCancelException.NonFailureCancellation)) {
                            failStage(cause);
                        } else if (--open == 0) {
                            cancelStage(cause);
                        } else {
                            proceed();
                        }
                    }
                });
            }
        }

        @Override
        public void preStart() {
            AsyncCallback<NotUsed> onChange = createAsyncCallback(ignored -> proceed());
            receivers.onChange(() -> onChange.invoke(NotUsed.getInstance()));
        }

        private boolean takesPart(int slot) {
            return receivers.connected(slot) && !isClosed(outs.get(slot));
        }

        /** With every receiver that is there ready for a frame, passes the next on or asks for it. */
        private void proceed() {
            boolean any = false;
            for (int slot = 0; slot < outs.size(); slot++) {
                if (takesPart(slot)) {
                    if (!isAvailable(outs.get(slot))) {
                        return;
                    }
                    any = true;
                }
            }
            if (!any) {
                return;
            }
            LentFrame frame = waiting;
            if (frame == null) {
                if (!isClosed(in) && !hasBeenPulled(in)) {
                    pull(in);
                }
                return;
            }
            waiting = null;
            passOn(frame);
            endIfNothingWaits();
        }

        /** What it announces counts once: a receiver that comes later is told where it is by the position. */
        private void passOn(LentFrame frame) {
            for (int slot = 0; slot < outs.size(); slot++) {
                if (takesPart(slot)) {
                    LentFrame shared = branches[slot][frame.stream()][frame.buffer()];
                    shared.share(frame);
                    push(outs.get(slot), shared);
                }
            }
            streams.get(frame.stream()).announced(frame.lostBytes());
            frame.release();
        }

        private void endIfNothingWaits() {
            if (isClosed(in) && waiting == null) {
                end();
            }
        }

        private void end() {
            if (failure == null) {
                completeStage();
            } else {
                failStage(failure);
            }
        }

        @Override
        public void onTimer(Object key) {
            end();
        }

        @Override
        public void postStop() {
            LentFrame frame = waiting;
            if (frame != null) {
                frame.release();
            }
            life.ends();
        }
    }
}
