import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Map;
import java.util.Properties;

/** A program that writes with pgjdbc through all instances' names, as clients.py does with Python's drivers. */
public final class Clients {
    private static final String DRIVER = "pgjdbc";
    private static final long PAUSE_MS = 50;
    private static volatile boolean stopped;

    private Clients() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, String> target = System.getenv();
        if (!target.get("DRIVER_HOSTS").isEmpty()) {
            for (String host : target.get("DRIVER_HOSTS").split(",")) connectOnce(target, host);
            return;
        }
        Thread writing = new Thread(() -> write(target));
        writing.start();
        while (System.in.read() >= 0) { }
        stopped = true;
        writing.join(60_000);
        System.exit(0);
    }

    private static Connection connect(Map<String, String> target, String hosts) throws SQLException {
        Properties properties = new Properties();
        properties.put("user", target.get("DRIVER_USER"));
        properties.put("password", target.get("DRIVER_PASSWORD"));
        properties.put("sslmode", "verify-full");
        properties.put("sslrootcert", target.get("DRIVER_CA"));
        properties.put("hostRecheckSeconds", "0");
        properties.put("loginTimeout", "10");
        String role = hosts.contains(",") ? "?targetServerType=primary" : "";
        return DriverManager.getConnection("jdbc:postgresql://" + hosts + "/" + target.get("DRIVER_DATABASE") + role, properties);
    }

    private static void write(Map<String, String> target) {
        Connection connection = null;
        for (long number = 1; !stopped; number++) {
            try {
                if (connection == null) connection = connect(target, target.get("DRIVER_INSTANCES"));
                try (PreparedStatement insert = connection.prepareStatement("insert into driver_ledger values (?, ?)")) {
                    insert.setString(1, DRIVER);
                    insert.setLong(2, number);
                    insert.executeUpdate();
                }
                say("ok", Long.toString(number));
            } catch (SQLException error) {
                say("error", error.getClass().getSimpleName() + ": " + error.getMessage());
                try {
                    if (connection != null) connection.close();
                } catch (SQLException ignored) { }
                connection = null;
            }
            try {
                Thread.sleep(PAUSE_MS);
            } catch (InterruptedException error) {
                return;
            }
        }
    }

    private static void connectOnce(Map<String, String> target, String host) {
        try (Connection connection = connect(target, host);
                ResultSet row = connection.createStatement().executeQuery("select pg_catalog.aurora_db_instance_identifier()")) {
            row.next();
            say("ok", host.substring(0, host.lastIndexOf(':')) + " " + row.getString(1));
        } catch (SQLException error) {
            say("error", host + " " + error.getMessage());
        }
    }

    private static synchronized void say(String kind, String text) {
        String line = text.replaceAll("\\s+", " ");
        System.out.println(kind + " " + DRIVER + " " + line.substring(0, Math.min(line.length(), 300)));
        System.out.flush();
    }
}
