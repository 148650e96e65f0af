// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.filter.Frame;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.FlowShape;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.javadsl.Flow;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.AbstractOutHandler;
import org.apache.pekko.stream.stage.AsyncCallback;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;
import org.jspecify.annotations.Nullable;

/**
 * A flow of the user's between two ports, as a stream of its own, so that it may run in other threads: frames are counted
 * in and out, and one that does not come out is released. What the flow fails with, or does against the rules of {@link
 * dev.sluice.flow.FlowFactory}, fails the stream with a {@link FilterException}.
 */
final class FlowStage extends GraphStage<FlowShape<LentFrame, LentFrame>> {

    private final Inlet<LentFrame> in = Inlet.create("FlowStage.in");
    private final Outlet<LentFrame> out = Outlet.create("FlowStage.out");
    private final FlowShape<LentFrame, LentFrame> shape = FlowShape.of(in, out);
    private final String name;
    private final Function<Consumer<Frame>, Flow<Frame, Frame, ?>> maker;
    private final FramePool pool;
    private final StageLife life;
    private final int mostInside;

    /** @param name the node's, for messages */
    FlowStage(String name, Function<Consumer<Frame>, Flow<Frame, Frame, ?>> maker, FramePool pool, StageLife life) {
        this.pool = pool;
        this.life = life;
        this.name = name;
        this.maker = maker;
        this.mostInside = Math.max(1, pool.size() / 2);
    }

    @Override
    public FlowShape<LentFrame, LentFrame> shape() {
        return shape;
    }

    @Override
    public GraphStageLogic createLogic(Attributes inherited) {
        return new Logic();
    }

    /**
     * A frame that will not come out. If a later one came out before this is heard, its buffer may have gone round and be
     * inside again, as the same object: only the sequence tells that apart.
     */
    private record Dropped(Frame frame, long sequence) {}

    private final class Logic extends GraphStageLogic {

        /** In the order in which they went in. */
        private final List<LentFrame> inside = new ArrayList<>();

        private final AsyncCallback<Dropped> onDropped = createAsyncCallback(this::dropped);
        private final SubSourceOutlet<Frame> entry = new SubSourceOutlet<>("FlowStage.entry");
        private final SubSinkInlet<Frame> exit = new SubSinkInlet<>("FlowStage.exit");
        private long unannouncedLost;
        private boolean completed;
        private @Nullable Throwable upstreamFailure;

        Logic() {
            super(shape);
            life.begins();
            setHandler(in, new AbstractInHandler() {
                @Override
                public void onPush() {
                    LentFrame frame = grab(in);
                    frame.addLostBytes(unannouncedLost);
                    unannouncedLost = 0;
                    inside.add(frame);
                    entry.push(frame);
                }

                @Override
                public void onUpstreamFinish() {
                    entry.complete();
                }

                // What is inside still comes out; then it is told.
                @Override
                public void onUpstreamFailure(Throwable cause) {
                    upstreamFailure = cause;
                    entry.complete();
                }
            });
            setHandler(out, new AbstractOutHandler() {
                @Override
                public void onPull() {
                    if (!exit.isClosed() && !exit.hasBeenPulled()) {
                        exit.pull();
                    }
                    flush();
                }

                @Override
                public void onDownstreamFinish(Throwable cause) {
                    exit.cancel(cause);
                    cancelStage(cause);
                }
            });
            entry.setHandler(new AbstractOutHandler() {
                @Override
                public void onPull() {
                    feed();
                }

                @Override
                public void onDownstreamFinish(Throwable cause) {
                    if (!isClosed(in)) {
                        cancel(in);
                    }
                }
            });
            exit.setHandler(new AbstractInHandler() {
                @Override
                public void onPush() {
                    cameOut(exit.grab());
                }

                @Override
                public void onUpstreamFinish() {
                    completed = true;
                    if (upstreamFailure == null) {
                        completeStage();
                    } else {
                        failStage(upstreamFailure);
                    }
                }

                @Override
                public void onUpstreamFailure(Throwable cause) {
                    failStage(new FilterException(name, cause));
                }
            });
        }

        @Override
        public void preStart() {
            try {
                Flow<Frame, Frame, ?> flow = Objects.requireNonNull(
                        maker.apply(frame -> onDropped.invoke(new Dropped(frame, frame.sequence()))),
                        "its factory made no flow, but null");
                Source.fromGraph(entry.source())
                        .via(flow)
                        .runWith(Sink.fromGraph(exit.sink()), subFusingMaterializer());
            } catch (Throwable e) { // errors too: see FilterRunner
                failStage(new FilterException(name, e));
            }
        }

        private void feed() {
            if (inside.size() < mostInside && !isClosed(in) && !hasBeenPulled(in) && entry.isAvailable()) {
                pull(in);
            }
        }

        private void cameOut(Frame frame) {
            int at = indexOf(frame);
            if (at < 0) {
                failStage(new FilterException(
                        name,
                        new IllegalArgumentException("it passed on a frame twice, out of order, or one that it had "
                                + "not been given or had dropped")));
                return;
            }
            for (int i = 0; i < at; i++) {
                drop(0);
            }
            push(out, inside.removeFirst());
            feed();
        }

        private void dropped(Dropped dropped) {
            int at = indexOf(dropped.frame());
            if (at >= 0 && inside.get(at).sequence() == dropped.sequence()) {
                drop(at);
                flush();
                feed();
            }
        }

        private void flush() {
            try {
                pool.flush();
            } catch (IOException e) {
                failStage(e);
            }
        }

        private int indexOf(Frame frame) {
            for (int i = 0; i < inside.size(); i++) {
                if (inside.get(i) == frame) {
                    return i;
                }
            }
            return -1;
        }

        /** What was lost before it is announced with the frame behind it. */
        private void drop(int at) {
            LentFrame frame = inside.remove(at);
            if (at < inside.size()) {
                inside.get(at).addLostBytes(frame.lostBytes());
            } else {
                unannouncedLost += frame.lostBytes();
            }
            frame.release();
        }

        /**
         * A flow that has completed is done with what it did not pass on. One that was cut off may still be reading, in
         * threads that nobody here knows: those buffers are never written to again, and stay mapped.
         */
        @Override
        public void postStop() {
            for (LentFrame frame : inside) {
                if (completed) {
                    frame.release();
                } else {
                    pool.keepForGood(frame);
                }
            }
            life.ends();
        }
    }
}
