// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.filter.Filter;
import java.util.Objects;
import java.util.function.Supplier;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.FlowShape;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.stage.AbstractInOutHandler;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;
import org.jspecify.annotations.Nullable;

/**
 * Runs one filter. A frame of which nothing is kept is released here, and what was lost before it is announced with the
 * next one. Whatever the filter throws fails the stream with a {@link FilterException}.
 */
public final class FilterStage extends GraphStage<FlowShape<LentFrame, LentFrame>> {

    private final Inlet<LentFrame> in = Inlet.create("FilterStage.in");
    private final Outlet<LentFrame> out = Outlet.create("FilterStage.out");
    private final FlowShape<LentFrame, LentFrame> shape = FlowShape.of(in, out);
    private final String name;
    private final Supplier<Filter> maker;
    private final FramePool pool;

    /** @param name the filter's, for messages */
    public FilterStage(String name, Supplier<Filter> maker, FramePool pool) {
        this.name = name;
        this.maker = maker;
        this.pool = pool;
    }

    /** A filter failed or kept what it must not keep. */
    public static final class FilterException extends Exception {

        private static final long serialVersionUID = 1L;

        FilterException(String filter, Throwable cause) {
            super(
                    "filter " + filter + " failed: "
                            + (cause instanceof IllegalArgumentException && cause.getMessage() != null
                                    ? cause.getMessage()
                                    : cause),
                    cause);
        }
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

        private @Nullable Filter filter;
        private long unannouncedLost;

        Logic() {
            super(shape);
            setHandlers(in, out, new AbstractInOutHandler() {
                @Override
                public void onPush() {
                    filterOne(grab(in));
                }

                @Override
                public void onPull() {
                    pull(in);
                }
            });
        }

        @Override
        public void preStart() {
            try {
                filter = maker.get();
            } catch (Throwable e) { // errors too: see filterOne
                failStage(new FilterException(name, e));
            }
        }

        private void filterOne(LentFrame frame) {
            try {
                frame.narrow(Objects.requireNonNull(filter)::filter);
            } catch (Throwable e) { // errors too: a missing class or too deep a recursion is the filter's, not ours
                pool.release(frame);
                failStage(new FilterException(name, e));
                return;
            }
            if (frame.size() == 0) {
                unannouncedLost += frame.lostBytes();
                pool.release(frame);
                pull(in);
            } else {
                frame.addLostBytes(unannouncedLost);
                unannouncedLost = 0;
                push(out, frame);
            }
        }

        @Override
        public void postStop() {
            Filter made = filter;
            if (made != null) {
                made.close();
            }
        }
    }
}
