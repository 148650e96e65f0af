// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.FlowShape;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.stage.AbstractInOutHandler;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;
import org.jspecify.annotations.Nullable;

/**
 * Passes frames through one filter. Whatever the filter throws fails the stream with a {@link FilterException}. The filter
 * itself stays its owner's.
 */
final class FilterStage extends GraphStage<FlowShape<LentFrame, LentFrame>> {

    private final Inlet<LentFrame> in = Inlet.create("FilterStage.in");
    private final Outlet<LentFrame> out = Outlet.create("FilterStage.out");
    private final FlowShape<LentFrame, LentFrame> shape = FlowShape.of(in, out);
    private final FilterRunner filter;
    private final StageLife life;

    FilterStage(FilterRunner filter, StageLife life) {
        this.filter = filter;
        this.life = life;
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

        /** What ended the stream above; what came before it still goes on. */
        private @Nullable Throwable failure;

        Logic() {
            super(shape);
            life.begins();
            setHandlers(in, out, new AbstractInOutHandler() {
                @Override
                public void onPush() {
                    try {
                        filter.accept(grab(in));
                        passOn();
                    } catch (FilterException e) {
                        filter.releaseAll();
                        failStage(e);
                    }
                }

                @Override
                public void onPull() {
                    passOn();
                }

                @Override
                public void onUpstreamFinish() {
                    filter.finish();
                    passOn();
                }

                @Override
                public void onUpstreamFailure(Throwable cause) {
                    failure = cause;
                    onUpstreamFinish();
                }
            });
        }

        /** Called when there is demand, or at the end. */
        private void passOn() {
            if (isAvailable(out)) {
                LentFrame next = filter.next();
                if (next != null) {
                    push(out, next);
                } else if (!isClosed(in)) {
                    pull(in);
                }
            }
            if (isClosed(in) && !filter.hasNext()) {
                if (failure == null) {
                    completeStage();
                } else {
                    failStage(failure);
                }
            }
        }

        @Override
        public void postStop() {
            filter.releaseAll();
            life.ends();
        }
    }
}
