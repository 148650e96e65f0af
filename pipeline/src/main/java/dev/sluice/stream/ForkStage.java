// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import java.util.ArrayList;
import java.util.List;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.SubscriptionWithCancelException;
import org.apache.pekko.stream.UniformFanOutShape;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.AbstractOutHandler;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;

/**
 * Fan-out: every branch gets every frame. The buffer is shared, and each branch has a frame of its own to narrow. The next
 * one is asked for when every branch wants one. A branch that has ended is left out; one that failed fails all.
 */
final class ForkStage extends GraphStage<UniformFanOutShape<LentFrame, LentFrame>> {

    private final Inlet<LentFrame> in = Inlet.create("ForkStage.in");
    private final List<Outlet<LentFrame>> outs = new ArrayList<>();
    private final UniformFanOutShape<LentFrame, LentFrame> shape;
    private final StageLife life;
    private final List<LentFrame[]> branches = new ArrayList<>();

    /** @param pool of the source that the frames come from */
    @SuppressWarnings({"unchecked", "rawtypes"}) // an array of a generic type, for Pekko's constructor
    ForkStage(FramePool pool, int branchCount, StageLife life) {
        this.life = life;
        for (int i = 0; i < branchCount; i++) {
            outs.add(Outlet.create("ForkStage.out" + i));
            branches.add(i == 0 ? new LentFrame[0] : pool.branch()); // the first passes on what came
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

    private final class Logic extends GraphStageLogic {

        private int open = outs.size();

        Logic() {
            super(shape);
            life.begins();
            setHandler(in, new AbstractInHandler() {
                @Override
                public void onPush() {
                    passOn(grab(in));
                }
            });
            for (Outlet<LentFrame> out : outs) {
                setHandler(out, new AbstractOutHandler() {
                    @Override
                    public void onPull() {
                        pullIfAllWant();
                    }

                    @Override
                    public void onDownstreamFinish(Throwable cause) {
                        if (!(cause instanceof SubscriptionWithCancelException.NonFailureCancellation)) {
                            failStage(cause);
                        } else if (--open == 0) {
                            cancelStage(cause);
                        } else {
                            pullIfAllWant();
                        }
                    }
                });
            }
        }

        @Override
        public void postStop() {
            life.ends();
        }

        private void passOn(LentFrame frame) {
            for (int i = 1; i < outs.size(); i++) {
                if (!isClosed(outs.get(i))) {
                    LentFrame shared = branches.get(i)[frame.buffer()];
                    shared.share(frame);
                    push(outs.get(i), shared);
                }
            }
            if (isClosed(outs.getFirst())) {
                frame.release();
            } else {
                push(outs.getFirst(), frame);
            }
        }

        private void pullIfAllWant() {
            for (Outlet<LentFrame> out : outs) {
                if (!isClosed(out) && !isAvailable(out)) {
                    return;
                }
            }
            if (!hasBeenPulled(in) && !isClosed(in)) {
                pull(in);
            }
        }
    }
}
