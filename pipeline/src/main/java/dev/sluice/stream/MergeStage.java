// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import java.util.ArrayList;
import java.util.List;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Inlet;
import org.apache.pekko.stream.Outlet;
import org.apache.pekko.stream.UniformFanInShape;
import org.apache.pekko.stream.stage.AbstractInHandler;
import org.apache.pekko.stream.stage.AbstractOutHandler;
import org.apache.pekko.stream.stage.GraphStage;
import org.apache.pekko.stream.stage.GraphStageLogic;

/**
 * Fan-in: the streams of a sink, taking turns, frame by frame. Each frame is marked with the number of its stream. Ends
 * when all of them have.
 */
final class MergeStage extends GraphStage<UniformFanInShape<LentFrame, LentFrame>> {

    private final List<Inlet<LentFrame>> ins = new ArrayList<>();
    private final Outlet<LentFrame> out = Outlet.create("MergeStage.out");
    private final UniformFanInShape<LentFrame, LentFrame> shape;

    @SuppressWarnings({"unchecked", "rawtypes"}) // an array of a generic type, for Pekko's constructor
    MergeStage(int streams) {
        for (int i = 0; i < streams; i++) {
            ins.add(Inlet.create("MergeStage.in" + i));
        }
        shape = new UniformFanInShape<>(out, ins.toArray(new Inlet[0]));
    }

    @Override
    public UniformFanInShape<LentFrame, LentFrame> shape() {
        return shape;
    }

    @Override
    public GraphStageLogic createLogic(Attributes inherited) {
        return new Logic();
    }

    private final class Logic extends GraphStageLogic {

        private int turn;

        Logic() {
            super(shape);
            for (Inlet<LentFrame> in : ins) {
                setHandler(in, new AbstractInHandler() {
                    @Override
                    public void onPush() {
                        passOn();
                    }

                    @Override
                    public void onUpstreamFinish() {
                        completeIfAllHave();
                    }
                });
            }
            setHandler(out, new AbstractOutHandler() {
                @Override
                public void onPull() {
                    passOn();
                }
            });
        }

        @Override
        public void preStart() {
            ins.forEach(this::pull);
        }

        private void passOn() {
            for (int i = 0; i < ins.size() && isAvailable(out); i++) {
                int stream = (turn + i) % ins.size();
                Inlet<LentFrame> in = ins.get(stream);
                if (isAvailable(in)) {
                    turn = stream + 1;
                    LentFrame frame = grab(in);
                    frame.stream(stream);
                    push(out, frame);
                    if (!isClosed(in)) {
                        pull(in);
                    }
                }
            }
            completeIfAllHave();
        }

        private void completeIfAllHave() {
            for (Inlet<LentFrame> in : ins) {
                if (!isClosed(in) || isAvailable(in)) {
                    return;
                }
            }
            completeStage();
        }
    }
}
