// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

/**
 * Which of a sink's receivers are connected, by slot. The {@link SendStage} of a slot says so, and the {@link
 * ReceiversStage} before them asks: a frame goes to those that are there. Owned by the stream's thread.
 */
public final class Receivers {

    private final boolean[] connected;
    private Runnable changed = () -> {};

    /** @param most receivers at once, each with a slot */
    public Receivers(int most) {
        connected = new boolean[most];
    }

    /** One slot, for the stage that sends to its receivers, one after the other. */
    public Slot slot(int number) {
        return new Slot(number);
    }

    int most() {
        return connected.length;
    }

    boolean connected(int slot) {
        return connected[slot];
    }

    /** Says whom to tell when a receiver came or went; on the stream's thread, in the middle of another stage. */
    void onChange(Runnable told) {
        changed = told;
    }

    /** The place of one receiver at a time. */
    public final class Slot {

        private final int number;

        private Slot(int number) {
            this.number = number;
        }

        void connected(boolean is) {
            if (connected[number] != is) {
                connected[number] = is;
                changed.run();
            }
        }
    }
}
