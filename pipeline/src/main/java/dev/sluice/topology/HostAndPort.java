// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import dev.sluice.filter.Settings;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** An address as users write it: {@code host:port}, {@code 192.0.2.1:7000}, {@code [::1]:7000}. */
public record HostAndPort(String host, int port) {

    private static final Pattern FORM = Pattern.compile("(?:\\[([0-9a-fA-F:.%a-z]+)]|([^:\\[\\]\\s]+)):(\\d{1,5})");

    /** Null if the text is not of that form or the port is above 65535. */
    public static @Nullable HostAndPort parse(String text) {
        Matcher matcher = FORM.matcher(text);
        if (!matcher.matches()) {
            return null;
        }
        int port = Integer.parseInt(matcher.group(3));
        String bracketed = matcher.group(1);
        return port > 65535 ? null : new HostAndPort(bracketed != null ? bracketed : matcher.group(2), port);
    }

    /** The address of somebody to connect to, so port 0 will not do. */
    static HostAndPort read(Settings settings, String key) {
        String text = settings.text(key);
        HostAndPort parsed = parse(text);
        if (parsed == null || parsed.port() == 0) {
            if (!text.isEmpty() && !text.equals(Settings.MISSING)) {
                settings.problem(key, "is \"" + text + "\"; write \"host:port\" with a port from 1 to 65535");
            }
            return new HostAndPort("localhost", 1);
        }
        return parsed;
    }

    @Override
    public String toString() {
        return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port;
    }
}
