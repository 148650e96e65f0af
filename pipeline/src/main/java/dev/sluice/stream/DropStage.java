// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.metrics.SinkCounters;
import dev.sluice.topology.WhenFull;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.List;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.FlowShape;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.stage.AbstractInOutHandler;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;
import org.jspecify.annotations.Nullable;

/**
 * Stands before a sink that must not hold up the others: takes every frame at once, lets a few wait, and drops one when
 * there are too many. What is dropped is counted, and announced as lost with the next frame of its stream.
 */
final class DropStage extends GraphStage<FlowShape<LentFrame, LentFrame>> {

    private final Inlet<LentFrame> in = Inlet.create("DropStage.in");
    private final Outlet<LentFrame> out = Outlet.create("DropStage.out");
    private final FlowShape<LentFrame, LentFrame> shape = FlowShape.of(in, out);
    private final boolean dropOldest;
    private final int mostWaiting;
    private final List<SinkStream> streams;
    private final SinkCounters counters;
    private final StageLife life;

    /** @param mostWaiting frames that may wait, at least 1 */
    DropStage(WhenFull policy, int mostWaiting, List<SinkStream> streams, SinkCounters counters, StageLife life) {
        this.life = life;
        this.dropOldest = policy == WhenFull.DROP_OLDEST;
        this.mostWaiting = mostWaiting;
        this.streams = streams;
        this.counters = counters;
    }

    @Override
    public FlowShape<LentFrame, LentFrame> shape() {
        return shape;
    }

    @Override
    public GraphStageLogic createLogic(Attributes inherited) {
        return new Logic();
    }

    private final class Logic extends GraphStageLogic {

        private final ArrayDeque<LentFrame> waiting = new ArrayDeque<>();

        private @Nullable Throwable failure;

        Logic() {
            super(shape);
            life.begins();
            setHandlers(in, out, new AbstractInOutHandler() {
                @Override
                public void onPush() {
                    take(grab(in));
                    pull(in);
                }

                @Override
                public void onPull() {
                    passOn();
                    flushIfEmpty();
                }

                @Override
                public void onUpstreamFinish() {
                    passOn();
                }

                @Override
                public void onUpstreamFailure(Throwable cause) {
                    failure = cause;
                    passOn();
                }
            });
        }

        @Override
        public void preStart() {
            pull(in);
        }

        /** Whoever pulls thinks that this reaches the device, which then would give back what was released. */
        private void flushIfEmpty() {
            try {
                if (waiting.isEmpty()) {
                    SinkStream.flush(streams);
                }
            } catch (IOException e) {
                failStage(e);
            }
        }

        private void take(LentFrame frame) {
            if (waiting.size() < mostWaiting || isAvailable(out)) {
                waiting.addLast(frame);
                settle(frame);
                passOn();
            } else if (dropOldest) {
                waiting.addLast(frame);
                settle(frame);
                drop(waiting.removeFirst());
            } else {
                drop(frame);
            }
        }

        private void settle(LentFrame frame) {
            frame.addLostBytes(streams.get(frame.stream()).takeCarried());
        }

        private void drop(LentFrame frame) {
            counters.framesDropped.add(1);
            counters.dropped.add(frame.size());
            streams.get(frame.stream()).dropped(frame.size());
            long lost = frame.size() + frame.lostBytes();
            LentFrame behind = next(frame.stream());
            if (dropOldest && behind != null) {
                behind.addLostBytes(lost);
            } else {
                streams.get(frame.stream()).carry(lost);
            }
            frame.release();
        }

        private @Nullable LentFrame next(int stream) {
            for (LentFrame frame : waiting) {
                if (frame.stream() == stream) {
                    return frame;
                }
            }
            return null;
        }

        private void passOn() {
            if (isAvailable(out) && !waiting.isEmpty()) {
                push(out, waiting.removeFirst());
            }
            if (isClosed(in) && waiting.isEmpty()) {
                if (failure == null) {
                    completeStage();
                } else {
                    failStage(failure);
                }
            }
        }

        @Override
        public void postStop() {
            waiting.forEach(LentFrame::release);
            life.ends();
        }
    }
}
