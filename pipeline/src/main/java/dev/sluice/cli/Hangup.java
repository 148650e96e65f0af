// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import java.io.FileInputStream;
import java.io.IOException;
import java.lang.reflect.Proxy;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** SIGHUP: to a service it means "read your file again" (man 7 daemon); to a program in a terminal, that this is gone. */
final class Hangup {

    private static final Logger LOG = LoggerFactory.getLogger(Hangup.class);

    private Hangup() {}

    /**
     * Says what to do from now on, on a thread of the virtual machine's.
     *
     * @param reload read the file again
     * @param end the terminal is gone
     */
    static void handle(Runnable reload, Runnable end) {
        boolean terminal = hasTerminal();
        try {
            // By name: the compiler warns of sun.misc.Signal, with a warning that cannot be turned off, and Java has no
            // other way. It is in jdk.unsupported, which every JDK has.
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object proxy = Proxy.newProxyInstance(
                    Hangup.class.getClassLoader(), new Class<?>[] {handler}, (self, method, arguments) -> {
                        if (method.getName().equals("handle")) {
                            (terminal && !hasTerminal() ? end : reload).run();
                        }
                        return null;
                    });
            Object hangup = signal.getConstructor(String.class).newInstance("HUP");
            signal.getMethod("handle", signal, handler).invoke(null, hangup, proxy);
        } catch (ReflectiveOperationException e) {
            LOG.warn("SIGHUP will end the run, not change it: {}", e.toString());
        }
    }

    /** A process whose terminal was closed cannot open it any more (ENXIO). */
    private static boolean hasTerminal() {
        try {
            new FileInputStream("/dev/tty").close();
            return true;
        } catch (IOException e) {
            return false;
        }
    }
}
